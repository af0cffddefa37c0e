import type { LogStream, LogText } from './log-sink.ts'

// What a run tells the database: the words that both of them use.

/** How a finished request ended. */
export type Outcome = 'succeeded' | 'failed' | 'cancelled'

/** Why a request failed. */
export type FailureReason =
  | 'input_invalid'
  | 'step_failed'
  | 'step_timeout'
  | 'server_stopped'
  | 'server_lost'
  | 'undo_failed'
  | 'definition_changed'

/** How a run ended. */
export interface Ending {
  readonly outcome: Outcome
  readonly reason: FailureReason | null
  /** JSON texts, or null. */
  readonly error: string | null
  readonly result: string | null
}

export type StepPhase = 'step' | 'undo' | 'on_failure'
export type StepState = 'running' | 'succeeded' | 'failed' | 'skipped' | 'cancelled'

/** From when on a step's undo has to run when its process fails; null for a step without one. */
export type UndoOnce = 'begun' | 'finished' | null

/** What is known of one step of one run. The record of its end replaces that of its beginning, never the reverse. */
export interface StepRecord {
  readonly requestId: string
  readonly phase: StepPhase
  readonly position: number
  readonly name: string
  readonly kind: string
  readonly state: StepState
  readonly undoOnce: UndoOnce
  /** Milliseconds since the run was claimed, by the server's monotonic clock; null for a step that did not start. */
  readonly startedMs: number | null
  /** Null for a step that has not ended. */
  readonly finishedMs: number | null
  readonly exitCode: number | null
  /** JSON texts, or null. */
  readonly error: string | null
  readonly output: string | null
}

/** What is recorded of a request whose server was lost, for the compensation that undoes it. */
export interface LostRun {
  readonly requestId: string
  /** Why it failed. */
  readonly error: string
  /** Its own steps, and the undo and on-failure steps that it or an earlier compensation began. */
  readonly steps: readonly RecordedStep[]
}

/** A step as it was recorded. */
export interface RecordedStep extends Pick<
  StepRecord,
  'phase' | 'position' | 'name' | 'state' | 'undoOnce'
> {
  /** The message, if it failed. */
  readonly error: string | null
  /** As JSON returns it. */
  readonly output: unknown
}

/** A piece of a request's log: any number of lines, or part of one. */
export interface LogPiece {
  readonly requestId: string
  /** Counts from 1 within the request. */
  readonly seq: number
  readonly step: string | null
  readonly stream: LogStream
  /** Its text, in parts that follow each other. */
  readonly parts: readonly LogText[]
  /** How many bytes they have, or for texts that are no bytes yet, characters. */
  readonly size: number
}
