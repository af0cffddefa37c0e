import type { Judgement } from '../judge.ts'
import type { BenchResult, CaseResult } from '../run-bench.ts'
import { showDuration, showSpread, spreadOver } from './figure.ts'
import { tableOf } from './markdown-table.ts'

/** The result as a page of the documentation. */
export function writeMarkdown(result: BenchResult, command: string): string {
  const { machine, postgres, rounds, scale, contenders, cases } = result
  return [
    '# Performance',
    `Made by \`${command}\`; the same command makes this page again. Figures are medians over ${rounds} round(s), with the least
and the greatest in brackets. In each round everybody did the same work on the same PostgreSQL, in turns, and a
measurement counts only when the functions' own ledger and the database say that each job was done once.`,
    ...(result.isQuick || scale < 1
      ? [
          `**A short run, with ${scale} of the amounts: it shows that everything works, and no more.**`,
        ]
      : []),
    ...(machine.load > machine.cores / 4
      ? [`**The machine was busy (load ${machine.load}): make the figures again on a quiet one.**`]
      : []),
    '![The figures as bars](performance.svg)',
    '## The machine',
    tableOf(
      ['', ''],
      [
        ['processor', `${machine.processor}, ${machine.cores} cores`],
        ['memory', `${machine.memoryGiB} GiB`],
        ['system', machine.system],
        ['load before the run', String(machine.load)],
        ['Node.js', machine.node],
        ['PostgreSQL', postgres.version],
        [
          'its settings',
          Object.entries(postgres.settings)
            .map(([k, v]) => `${k} ${v}`)
            .join(', '),
        ],
        ['commit', machine.commit],
        ['took', showDuration(result)],
      ],
    ),
    '## Who took part',
    tableOf(
      ['name', 'version', 'settings', 'after'],
      Object.entries(contenders).map(([name, { version, settings, documentation }]) => [
        name,
        version,
        settings,
        documentation,
      ]),
    ),
    '## The figures',
    ...cases.flatMap(writeCase),
    '',
  ].join('\n\n')
}

function writeCase({ name, title, metrics, entrants, judgements }: CaseResult): string[] {
  const rows = entrants.map(({ name: entrant, samples, failures }) => [
    failures.length === 0 ? entrant : `${entrant} (failed ${failures.length} times)`,
    ...metrics.map(metric => showSpread(spreadOver(samples, metric.name))),
  ])
  return [
    `### ${name}`,
    `${title}.`,
    tableOf(['', ...metrics.map(metric => `${metric.name} (${metric.unit})`)], rows),
    ...(judgements.length > 0
      ? [tableOf(['', 'wanted', 'got', ''], judgements.map(writeJudgement))]
      : []),
  ]
}

function writeJudgement({ text, bar, reached, holds }: Judgement): string[] {
  const verdict = holds === undefined ? 'not measured' : holds ? 'reached' : '**missed**'
  return [text, bar, showSpread(reached), verdict]
}
