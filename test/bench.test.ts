import { readFile } from 'node:fs/promises'
import t from 'tap'
import { judge } from '../bench/judge.ts'
import { joinLedgers, Ledger } from '../bench/ledger.ts'
import { drawPlot } from '../bench/report/plot.ts'
import { showTables } from '../bench/report/table.ts'
import { writeMarkdown } from '../bench/report/markdown.ts'
import { runBench, type EntrantResult } from '../bench/run-bench.ts'
import { demandOf } from '../bench/scale/fleet.ts'
import { insertTables, writeTables } from '../bench/scale/report.ts'
import { simulateStarts } from '../bench/scale/simulate.ts'
import { spreadOf } from '../bench/statistics.ts'
import { createDatabase } from './support/database.ts'

t.test('a short run measures ours beside the bare statements, and reports it', async t => {
  const { url } = await createDatabase(t, { template: false })
  const result = await runBench({
    rounds: 2,
    minutes: 0,
    scale: 0.005,
    isQuick: true,
    caseNames: ['drain', 'enqueue-batch'],
    against: ['bare'],
    databaseUrl: url,
  })
  const [drain, enqueue] = result.cases
  t.equal(result.cases.length, 2)
  for (const { name, samples, failures } of [
    ...(drain?.entrants ?? []),
    ...(enqueue?.entrants ?? []),
  ]) {
    t.same(failures, [], name)
    t.ok((samples[0]?.['rate'] ?? 0) > 0, name)
  }
  const toBare = drain?.judgements.find(({ text }) => text.endsWith('bare'))
  t.type(toBare?.holds, 'boolean')
  t.match(drain?.judgements[0], { holds: undefined }, 'a peer that was not asked is not measured')
  t.match(result, { rounds: 1, wantedRounds: 2 }, 'the first round always has time')
  t.match(showTables(result), /drain of 1000 no-op/)
  const page = writeMarkdown(result, 'npm run bench')
  t.match(page, /### enqueue-batch/)
  t.match(page, /\| took \| \d+ s, 1 round \(there was no time for 2\) \|/)
  t.match(drawPlot(result), /^<svg [^]*<\/svg>\n$/)
})

t.test('the ledger refuses work that was not done exactly once', async t => {
  const one = new Ledger(3)
  const other = new Ledger(3)
  one.note(0)
  other.note(2)
  t.throws(() => joinLedgers([one.report(), other.report()], 3), /only 2 of 3/)
  one.note(1)
  t.equal(joinLedgers([one.report(), other.report()], 3).length, 3)
  other.note(1)
  t.throws(() => joinLedgers([one.report(), other.report()], 3), /job 1 was started by two/)
  one.note(1)
  t.throws(() => joinLedgers([one.report()], 2), /started again/)
  t.throws(() => one.note(3), /no job 3/)
})

t.test('bars compare the figures of one round, and take the median', async t => {
  const judgeRates = (ours: EntrantResult) =>
    judge(
      {
        name: 'case',
        title: () => '',
        metrics: [{ name: 'rate', unit: '/s', better: 'more' }],
        entrants: [],
        bars: [{ metric: 'rate', of: 'ours', to: 'best peer', atLeast: 2 }],
        isQuick: true,
      },
      [ours, entrant('slow', true, [1, 1, 1]), entrant('fast', true, [10, 20, 30])],
    )
  t.match(judgeRates(entrant('ours', false, [20, 60, 60])), [
    { reached: { median: 2, low: 2, high: 3 }, holds: true },
  ])
  t.match(judgeRates(entrant('ours', false, [20, 20, 60])), [{ holds: true }])
  t.match(judgeRates(entrant('ours', false, [10, 20, 60])), [{ holds: false }])
  const failed = { ...entrant('ours', false, [99, 99]), failures: ['it broke'] }
  t.match(judgeRates(failed), [{ reached: undefined, holds: undefined }])
})

t.test('the median lies between the two in the middle', async t => {
  t.same(spreadOf([4, 1, 3, 2]), { median: 2.5, low: 1, high: 4 })
  t.throws(() => spreadOf([]), RangeError)
})

t.test('docs/scaling.md has the tables that follow from the costs', async t => {
  const page = await readFile('docs/scaling.md', 'utf8')
  const measured = JSON.parse(await readFile('bench/scale/costs.json', 'utf8'))
  t.equal(page, insertTables(page, writeTables(measured)), 'run: npm run scale -- --publish')
})

t.test(
  'a simulated request waits for the pulse without hints, and for a core when there are few',
  async t => {
    const costs = {
      pulseMs: 0.1,
      watchMs: 0.1,
      watchPerServerMs: 0,
      emptyClaimMs: 0.1,
      singleRunMs: 0.2,
      batchedRunMs: 0.1,
      enqueueMs: 0.3,
      hintMs: 0.1,
      hintPerListenerMs: 0.01,
      sessionMiB: 1,
    }
    const options = { pollMs: 1000, pollJitter: 0, lostAfterMs: 5000 }
    const fleet = { servers: 10, cores: 4, requestsPerSecond: 50, listen: true, ...options }
    const hinted = simulateStarts(fleet, costs)
    t.ok(hinted.p50 > 0.5 && hinted.p50 < 5, `started after ${hinted.p50} ms`)
    t.ok(simulateStarts({ ...fleet, listen: false }, costs).p50 > 20)
    t.ok(simulateStarts({ ...fleet, servers: 300, cores: 2 }, costs).p99 > 3 * hinted.p99)
    const { pulsesPerSecond, claimsPerSecond } = demandOf(fleet, costs)
    t.equal(pulsesPerSecond, 10)
    t.equal(claimsPerSecond, 50 * 10 + 50)
  },
)

function entrant(name: string, isPeer: boolean, rates: readonly number[]): EntrantResult {
  return { name, contender: 'bare', isPeer, samples: rates.map(rate => ({ rate })), failures: [] }
}
