/** What is measured in a run, each in milliseconds. */
export const measures = {
  rowFailed: 'server killed → rows failed',
  commandsGone: 'server killed → last command gone',
  rowFailedUnguarded: 'server and guardian killed → rows failed',
  rowFailedSilent: 'server frozen or cut off → rows failed',
  rowFailedDeaf: 'server hears nothing → rows failed',
  claimsResume: 'database accepts connections → first claim',
  serverReturns: 'network mended → server back as a new incarnation',
} as const

export type Measure = keyof typeof measures

export interface Percentiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Collects durations. */
export class Measurements {
  readonly #values = new Map<Measure, number[]>()

  add(measure: Measure, ms: number): void {
    const values = this.#values.get(measure) ?? []
    values.push(ms)
    this.#values.set(measure, values)
  }

  /** Undefined for what never happened. */
  percentilesOf(measure: Measure): Percentiles | undefined {
    const sorted = (this.#values.get(measure) ?? []).toSorted((a, b) => a - b)
    if (sorted.length === 0) return undefined
    const at = (part: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0)
    return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
  }
}
