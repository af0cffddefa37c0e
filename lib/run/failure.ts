import { storableText } from '../base/json.ts'
import type { Ending, FailureReason } from '../base/record.ts'
import { ClusterError, messageOf } from '../errors.ts'

/** What ended a run before its last step. */
export interface Failure {
  readonly outcome: 'failed' | 'cancelled'
  readonly reason: FailureReason | null
  /** The step that failed, if one did. */
  readonly step: string | undefined
  readonly error: unknown
}

export function failureOf(error: unknown, step?: string): Failure {
  const code = error instanceof ClusterError ? error.code : undefined
  if (code === 'CW_CANCELLED') return { outcome: 'cancelled', reason: null, step, error }
  if (code === 'CW_STOPPED') return { outcome: 'failed', reason: 'server_stopped', step, error }
  if (code === 'CW_INPUT_INVALID')
    return { outcome: 'failed', reason: 'input_invalid', step, error }
  if (code === 'CW_DEFINITION_CHANGED')
    return { outcome: 'failed', reason: 'definition_changed', step, error }
  if (code === 'CW_UNDO_FAILED') return { outcome: 'failed', reason: 'undo_failed', step, error }
  if (code === 'CW_STEP_TIMEOUT') return { outcome: 'failed', reason: 'step_timeout', step, error }
  return { outcome: 'failed', reason: 'step_failed', step, error }
}

/** How a run ends that has failed so. */
export function failedEnding({ outcome, reason, error, step }: Failure): Ending {
  return { outcome, reason, error: errorText(error, step), result: null }
}

/** What on-failure steps are told. */
export interface ToldFailure {
  readonly message: string
  /** The step's name; empty when no step failed. */
  readonly step: string
}

export function toldOf({ error, step }: Failure): ToldFailure {
  const { message } = JSON.parse(errorText(error)) as { message: string }
  return { message, step: step ?? '' }
}

/** The longest message and the longest stack that are stored, in characters. */
const longest = { message: 10_000, stack: 4000 }

/**
 * An error as JSON text for the record: code, message, and the plain details (exit code, signal, last lines …).
 * Whatever was thrown, this gives something that can be stored.
 */
export function errorText(error: unknown, step?: string): string {
  const known = error instanceof ClusterError ? error : undefined
  const stack = !known && error instanceof Error ? error.stack : stackOfCause(known)
  return JSON.stringify({
    code: known?.code ?? 'CW_STEP_FAILED',
    message: storableText(messageOf(error).slice(0, longest.message)),
    ...(step === undefined ? {} : { step }),
    ...(known?.field === undefined ? {} : { field: storableText(known.field) }),
    ...plainDetails(known?.details ?? {}),
    ...(stack === undefined ? {} : { stack: storableText(stack.slice(0, longest.stack)) }),
  })
}

/** A function step's own error is the cause of ours; its stack is what its author needs. */
function stackOfCause(error: ClusterError | undefined): string | undefined {
  return error?.code === 'CW_STEP_FAILED' && error.cause instanceof Error
    ? error.cause.stack
    : undefined
}

function plainDetails(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const plain: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(details)) {
    if (typeof value === 'string') plain[key] = storableText(value)
    else if (typeof value === 'number' || typeof value === 'boolean') plain[key] = value
    else if (Array.isArray(value)) plain[key] = value.map(line => storableText(String(line)))
  }
  return plain
}
