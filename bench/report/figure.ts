import type { Sample } from '../case.ts'
import type { BenchResult } from '../run-bench.ts'
import { spreadOf, type Spread } from '../statistics.ts'

/** What the rounds gave for one metric; undefined when none was measured. */
export function spreadOver(
  samples: readonly (Sample | undefined)[],
  metric: string,
): Spread | undefined {
  const figures = samples.flatMap(sample => sample?.[metric] ?? [])
  return figures.length === 0 ? undefined : spreadOf(figures)
}

/** `12,300 (11,900 to 12,500)`. */
export function showSpread(spread: Spread | undefined): string {
  if (!spread) return 'not measured'
  const { median, low, high } = spread
  return low === high
    ? showFigure(median)
    : `${showFigure(median)} (${showFigure(low)} to ${showFigure(high)})`
}

/** `512 s, 3 rounds`. */
export function showDuration({
  seconds,
  rounds,
  wantedRounds,
}: Pick<BenchResult, 'seconds' | 'rounds' | 'wantedRounds'>): string {
  const cut = rounds < wantedRounds ? ` (there was no time for ${wantedRounds})` : ''
  return `${seconds} s, ${rounds} round${rounds === 1 ? '' : 's'}${cut}`
}

/** With three digits that count. */
export function showFigure(figure: number): string {
  return figure.toLocaleString('en-US', { maximumSignificantDigits: 3 })
}
