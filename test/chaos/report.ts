import type { ChaosResult } from './chaos.ts'
import { countViolations } from './check/check-all.ts'
import { groupBy } from './check/invariant.ts'
import { measures, type Measure } from './measurements.ts'

/** How many violations of one invariant are shown. */
const mostShown = 5

/** The summary of a run, as lines. */
export function describeResult(result: ChaosResult): string[] {
  const { history, measurements, probes, evidence, verdicts, longestHoldUpMs } = result
  const outcomes = groupBy(evidence.finished, ({ outcome, reason }) => reason ?? outcome)
  const lostRuns = evidence.losses.reduce((sum, { requestIds }) => sum + requestIds.length, 0)
  return [
    '',
    `faults (${history.done.length} done, ${history.skipped.length} found nothing to be done to)`,
    ...table([...history.countByKind()].toSorted(([, a], [, b]) => b - a)),
    '',
    `requests (${evidence.requests.length}, of them ${evidence.acknowledged.length} acknowledged; ${evidence.claims.length} claims; ${evidence.ledger.length} lines in the ledger)`,
    ...table([...outcomes].map(([name, rows]) => [name, rows.length] as const)),
    `  ${lostRuns} runs were seen at the moment when they were lost`,
    '',
    'probes',
    ...table([...probes].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    '',
    'times (ms)',
    ...describeTimes(measurements),
    `  this program itself was held up for at most ${longestHoldUpMs}`,
    '',
    'what must hold',
    ...verdicts.flatMap(({ invariant, isKnownLimit, violations }) => [
      `  ${violations.length === 0 ? 'holds ' : isKnownLimit ? 'limit ' : 'BROKEN'}  ${invariant}${violations.length > 0 ? ` (${violations.length})` : ''}`,
      ...violations.slice(0, mostShown).map(violation => `            ${violation}`),
    ]),
    '',
  ]
}

export interface RunLabel {
  readonly seed: number
  readonly commit: string
  readonly seconds: number
}

/** The names of the columns of `csvLine`. */
export const csvHeader = [
  'seed',
  'commit',
  'seconds',
  'faults',
  'requests',
  'lost_runs',
  'violations',
  'limits',
  ...Object.keys(measures).flatMap(name => [`${name}_p50`, `${name}_p99`, `${name}_max`]),
].join(',')

export function csvLine({ seed, commit, seconds }: RunLabel, result: ChaosResult): string {
  const { history, evidence, verdicts, measurements } = result
  const violations = countViolations(verdicts)
  const all = verdicts.reduce((sum, verdict) => sum + verdict.violations.length, 0)
  const times = measureNames().flatMap(name => {
    const found = measurements.percentilesOf(name)
    return found ? [found.p50, found.p99, found.max].map(String) : ['', '', '']
  })
  return [
    seed,
    commit,
    seconds,
    history.done.length,
    evidence.requests.length,
    evidence.losses.reduce((sum, { requestIds }) => sum + requestIds.length, 0),
    violations,
    all - violations,
    ...times,
  ].join(',')
}

function describeTimes(measurements: ChaosResult['measurements']): string[] {
  return measureNames().flatMap(name => {
    const found = measurements.percentilesOf(name)
    if (!found) return []
    const { count, p50, p99, max } = found
    return [`  ${measures[name].padEnd(50)} p50 ${p50}, p99 ${p99}, max ${max} (of ${count})`]
  })
}

function measureNames(): Measure[] {
  return Object.keys(measures) as Measure[]
}

function table(rows: readonly (readonly [name: string, count: number])[]): string[] {
  return rows.map(([name, count]) => `${String(count).padStart(8)}  ${name}`)
}
