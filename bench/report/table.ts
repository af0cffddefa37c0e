import { styleText } from 'node:util'
import Table from 'cli-table3'
import type { Judgement } from '../judge.ts'
import type { BenchResult, CaseResult } from '../run-bench.ts'
import { showSpread, spreadOver } from './figure.ts'

/** The result for a terminal. */
export function showTables({ cases }: BenchResult): string {
  return cases.map(showCase).join('\n\n')
}

function showCase({ name, title, metrics, entrants, judgements }: CaseResult): string {
  const table = new Table({
    head: ['', ...metrics.map(metric => `${metric.name} (${metric.unit})`)],
    style: { head: [], border: [] },
  })
  for (const { name: entrant, samples, failures } of entrants) {
    const figures = metrics.map(metric => showSpread(spreadOver(samples, metric.name)))
    table.push([entrant, ...figures])
    for (const failure of failures) table.push([`${entrant} FAILED`, failure.slice(0, 60)])
  }
  return [
    styleText('bold', `${name}: ${title}`),
    table.toString(),
    ...judgements.map(showJudgement),
  ].join('\n')
}

function showJudgement({ text, bar, reached, holds }: Judgement): string {
  const [color, word] =
    holds === undefined
      ? (['yellow', 'not measured'] as const)
      : holds
        ? (['green', 'reached'] as const)
        : (['red', 'missed'] as const)
  return `${styleText(color, word)}  ${text}: ${bar}, got ${showSpread(reached)}`
}
