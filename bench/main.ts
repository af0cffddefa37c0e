import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import yargs from 'yargs'
import { cases } from './cases.ts'
import { contenders, type ContenderName } from './contenders.ts'
import { installPeers } from './install-peers.ts'
import { buildLibrary } from './library.ts'
import { drawPlot } from './report/plot.ts'
import { showDuration } from './report/figure.ts'
import { showTables } from './report/table.ts'
import { writeMarkdown } from './report/markdown.ts'
import { runBench } from './run-bench.ts'

// npm run bench -- [--quick] [--case NAME]... [--against NAME]... [--rounds N] [--scale FACTOR] [--minutes N] [--publish]

const quickScale = 0.02

/** Of a whole run, on two cores. */
const mostMinutes = 10

const names = Object.keys(contenders) as ContenderName[]
const words = process.argv.slice(2)
const args = await yargs(words)
  .scriptName('npm run bench --')
  .usage('Measures cluster-worker, its peers and the bare statements side by side.')
  .option('quick', {
    type: 'boolean',
    default: false,
    describe: 'in less than a minute: a few cases, small amounts',
  })
  .option('case', {
    type: 'string',
    array: true,
    choices: cases.map(({ name }) => name),
    describe: 'only this case',
  })
  .option('against', {
    type: 'string',
    array: true,
    choices: names,
    describe: 'only against this one',
  })
  .option('rounds', { type: 'number', describe: 'how often each is measured (3; with --quick 1)' })
  .option('scale', {
    type: 'number',
    describe: `the part of the full amounts (1; with --quick ${quickScale})`,
  })
  .option('minutes', {
    type: 'number',
    default: mostMinutes,
    describe: 'begin no further round that is likely to end later',
  })
  .option('publish', {
    type: 'boolean',
    default: false,
    describe: 'write docs/performance.md and .svg, on a quiet machine only',
  })
  .check(({ publish, quick, case: some, against, scale = 1, rounds = 1 }) => {
    if (publish && (quick || some || against || scale !== 1))
      throw new Error('expected --publish alone: only a whole run is published')
    if (!(scale > 0)) throw new Error(`expected --scale to be greater than 0, got ${scale}`)
    if (!(Number.isInteger(rounds) && rounds > 0))
      throw new Error(`expected --rounds to be 1 or more, got ${rounds}`)
    return true
  })
  .strict()
  .parseAsync()

const { quick, minutes, rounds = quick ? 1 : 3, scale = quick ? quickScale : 1 } = args
if (!args.against || args.against.some(name => contenders[name].isInstalled)) installPeers()
buildLibrary()
const stopping = new AbortController()
// PostgreSQL would go on without us; a second signal does not wait for the measurement.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))
const result = await runBench({
  rounds,
  minutes,
  scale,
  isQuick: quick,
  caseNames: args.case,
  against: args.against,
  databaseUrl: process.env['DATABASE_URL'],
  signal: stopping.signal,
  onProgress: line => console.error(line),
})
const command = ['npm run bench', ...(words.length > 0 ? ['--', ...words] : [])].join(' ')
const folder = join(import.meta.dirname, 'result')
await mkdir(folder, { recursive: true })
await writeFile(
  join(folder, 'performance.json'),
  `${JSON.stringify({ command, ...result }, null, 2)}\n`,
)
await writePages(folder)
if (args.publish) await writePages(join(import.meta.dirname, '../docs'))
console.log(showTables(result))
console.error(
  `\nTook ${showDuration(result)}. In ${folder}: performance.json, performance.md, performance.svg`,
)
if (result.cases.some(({ entrants }) => entrants.some(({ failures }) => failures.length > 0)))
  process.exitCode = 1

async function writePages(to: string): Promise<void> {
  await writeFile(join(to, 'performance.md'), writeMarkdown(result, command))
  await writeFile(join(to, 'performance.svg'), drawPlot(result))
}
