import type { StepPhase } from '../base/record.ts'

/** The step with which a server is to be killed. */
export interface StepToKillAt {
  /** Its name, or its place among the steps of its phase, counted from 1. */
  step: string | number
  /** Defaults to `step`. */
  phase?: StepPhase
  /** The name of the process. Defaults to any. */
  process?: string
}

/** What preload.ts, inside of a server, is told by a variable of the environment. */
export interface Orders {
  readonly killAt?: StepToKillAt
  /** How far the wall clock is ahead, in milliseconds. */
  readonly clockAheadMs?: number
}

export const ordersVariable = 'CLUSTER_TESTING_ORDERS'
