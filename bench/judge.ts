import type { Bar, Case, Metric } from './case.ts'
import type { EntrantResult } from './run-bench.ts'
import { spreadOf, type Spread } from './statistics.ts'

/** What became of one bar. */
export interface Judgement {
  /** What is compared with what. */
  readonly text: string
  /** What must be reached. */
  readonly bar: string
  /** Over the rounds: the ratio of each round, or the figure itself. Undefined when it could not be measured. */
  readonly reached: Spread | undefined
  /** Whether the median is good enough; undefined when it could not be measured. */
  readonly holds: boolean | undefined
}

/** Compares figures of the same round with each other, so that what troubles the machine troubles both. */
export function judge(
  { bars, metrics }: Case,
  entrants: readonly EntrantResult[],
): readonly Judgement[] {
  return bars.map(bar => {
    const reached = reachedIn(bar, metrics, entrants)
    const ours = entrants.find(({ name }) => name === bar.of)
    // A figure that failed in some round is none.
    const isWhole = ours !== undefined && ours.failures.length === 0 && reached.length > 0
    const spread = isWhole ? spreadOf(reached) : undefined
    const { atLeast = -Infinity, atMost = Infinity } = bar
    return {
      text: `${bar.metric} of ${bar.of}${bar.to === 'itself' ? '' : ` to that of ${bar.to}`}`,
      bar: bar.atLeast === undefined ? `at most ${bar.atMost}` : `at least ${bar.atLeast}`,
      reached: spread,
      holds: spread && spread.median >= atLeast && spread.median <= atMost,
    }
  })
}

function reachedIn(
  { of, to, metric: name }: Bar,
  metrics: readonly Metric[],
  entrants: readonly EntrantResult[],
): number[] {
  const ours = entrants.find(entrant => entrant.name === of)
  const others =
    to === 'best peer'
      ? entrants.filter(({ isPeer }) => isPeer)
      : entrants.filter(entrant => entrant.name === to)
  const best = metrics.find(metric => metric.name === name)?.better === 'less' ? Math.min : Math.max
  return (ours?.samples ?? []).flatMap((sample, round) => {
    const figure = sample?.[name]
    if (figure === undefined) return []
    if (to === 'itself') return [figure]
    const figures = others.flatMap(({ samples }) => samples[round]?.[name] ?? [])
    return figures.length === 0 ? [] : [figure / best(...figures)]
  })
}
