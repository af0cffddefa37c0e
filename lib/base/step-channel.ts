import type { StepRecord } from './record.ts'

/** The channel of node:diagnostics_channel that is told of each step, just before it begins. */
export const stepChannel = 'cluster-worker:step'

/** What it is told. */
export interface StepBegins extends Pick<
  StepRecord,
  'requestId' | 'phase' | 'position' | 'name' | 'kind'
> {
  /** The name of the process. */
  readonly process: string
}
