import type { ConnectionSettings } from '../db/connection-settings.ts'
import type { NodeDescription } from '../db/incarnations.ts'
import type { OtherIncarnation } from '../db/other-incarnations.ts'
import type { NewestTimeline } from '../base/timeline-memory.ts'
import { ClusterError, errorCodes, messageOf, type ErrorCode } from '../errors.ts'
import type { Look } from './witness.ts'

/** What the witness's thread is told when it starts: plain data, because it crosses to another thread. */
export interface WitnessSettings {
  readonly schema: string
  readonly connection: ConnectionSettings
  /** The number of the node's identity lock. */
  readonly nodeSeq: string
  readonly about: NodeDescription
  /** Where the server looks for work. */
  readonly lanes: readonly number[]
  readonly pollMs: number
  readonly pollJitter: number
  readonly dataFolder: string
  /** Whether a guardian watches over the server. */
  readonly isGuarded: boolean
  /** How long the main thread may stand still before the server counts as dead, in milliseconds. */
  readonly stallLimitMs: number
}

/** What the main thread tells the witness's thread. Those with a number are answered. */
export type Order =
  | { readonly do: 'look' }
  | { readonly do: 'connection'; readonly connection: ConnectionSettings }
  | { readonly do: 'learn'; readonly newest: NewestTimeline }
  | { readonly do: 'cover'; readonly ids: readonly string[]; readonly number: number }
  | { readonly do: 'release'; readonly ids: readonly string[] }
  | { readonly do: 'abandon' }
  | { readonly do: 'leave'; readonly number: number }
  | { readonly do: 'end' }

/** What the witness's thread tells the main thread. */
export type Report =
  | { readonly is: 'begun'; readonly incarnation: string; readonly environment: Environment }
  | { readonly is: 'failed'; readonly error: PlainError }
  | { readonly is: 'look'; readonly look: Look }
  | { readonly is: 'silent'; readonly others: readonly OtherIncarnation[] }
  | { readonly is: 'newEra' }
  | { readonly is: 'disconnected' }
  | { readonly is: 'newer'; readonly newest: NewestTimeline }
  | { readonly is: 'lost'; readonly reason: PlainError }
  | { readonly is: 'error'; readonly error: PlainError; readonly where: string }
  | { readonly is: 'guarded'; readonly by: number | undefined; readonly isFirst: boolean }
  | { readonly is: 'done'; readonly number: number }

/** What all commands of the server must have in their environment. */
export type Environment = Readonly<Record<string, string>>

/** An error as it crosses to another thread, which would drop its code. */
export interface PlainError {
  readonly code: string | undefined
  readonly message: string
  readonly field: string | undefined
}

export function toPlainError(error: unknown): PlainError {
  const isOurs = error instanceof ClusterError
  return {
    code: isOurs ? error.code : undefined,
    message: messageOf(error),
    field: isOurs ? error.field : undefined,
  }
}

export function fromPlainError({ code, message, field }: PlainError): Error {
  return code !== undefined && isErrorCode(code)
    ? new ClusterError(code, message, { field })
    : new Error(message)
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code)
}
