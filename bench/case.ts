import type { Arena } from './arena.ts'
import type { ContenderName } from './contenders.ts'
import type { Plan } from './plan.ts'

/** What one measurement gave, by the names of the case's metrics. */
export type Sample = Readonly<Record<string, number>>

export interface Metric {
  readonly name: string
  readonly unit: string
  readonly better: 'more' | 'less'
}

/** One that is measured in a case: a contender, or one way to use it. */
export interface Entrant {
  readonly name: string
  readonly contender: ContenderName
  /** A library that people would use in place of ours. */
  readonly isPeer: boolean
  measure(arena: Arena, plan: Plan): Promise<Sample>
}

/** What our figure must reach. */
export interface Bar {
  readonly metric: string
  /** Whose figure is judged. */
  readonly of: string
  /** By the figure of the entrant of this name, of the `best peer`, or as it is: by `itself`. */
  readonly to: string
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Case {
  readonly name: string
  /** What is done, in one sentence, with the amounts of this run. */
  readonly title: (plan: Plan) => string
  readonly metrics: readonly Metric[]
  readonly entrants: readonly Entrant[]
  readonly bars: readonly Bar[]
  /** Whether a run with `--quick` has it. */
  readonly isQuick: boolean
  /** Measured in the first round only: it takes long, and is compared with nobody. */
  readonly isOnce?: boolean
}
