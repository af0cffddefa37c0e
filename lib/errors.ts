/**
 * Every error that cluster-worker reports, once. The code is stable: programs may test for it, and
 * docs/errors.md explains each. A code is never reused for another meaning.
 */
export const errorCodes = {
  CW_ARTIFACT_REFUSED: 'A file or an archive of a version is not accepted.',
  CW_CANCELLED: 'The request or the import was cancelled.',
  CW_COMPONENT: 'The definition of a component is wrong.',
  CW_COMPONENT_PAUSED:
    'The component is paused: no server asks its source or imports its versions.',
  CW_COMPONENT_UNKNOWN: 'There is no component of this name.',
  CW_CONFIG: 'The configuration cannot be used.',
  CW_CONNECTION: 'The database cannot be reached.',
  CW_DATABASE_UNFIT: 'The database cannot be used as it is set up.',
  CW_DATA_DIR: 'The data folder cannot be used.',
  CW_DATA_DIR_TAKEN: 'Another live server uses this data folder.',
  CW_DEFINITION: 'A process definition is wrong.',
  CW_DEFINITION_CHANGED: 'This server has another definition than the one that ran.',
  CW_GUARDIAN: 'A guardian could not be started, or ended.',
  CW_IDEMPOTENCY_CONFLICT: 'The idempotency key was used before with another input.',
  CW_INPUT_INVALID: "The input does not fit the process's schema.",
  CW_INPUT_UNSERIALISABLE: 'The input cannot be stored as JSON.',
  CW_NODE_IDENTITY: 'The node id and the data folder do not belong together.',
  CW_NODE_ID_TAKEN: 'Another live server has this node id.',
  CW_NODE_LOST: 'This server was declared lost by the others.',
  CW_NODE_RETIRED: 'The node id was retired.',
  CW_NODE_UNKNOWN: 'No server with this node id has ever joined.',
  CW_NOT_MIGRATED: 'The schema is missing or older than this version needs.',
  CW_NOT_REPLICATED: 'The database has committed, but no standby has confirmed it.',
  CW_NO_PRIMARY: 'No host of the database URL is a primary that may be used.',
  CW_OBJECT_CORRUPT: 'A file in the store is not what was published.',
  CW_OBJECT_MISSING: 'A published file is not in the store.',
  CW_OPTION: 'An option has a value that cannot be used.',
  CW_POOL_TIMEOUT: 'No database connection became free in time.',
  CW_READ_ONLY: 'A server or program in the role read-only writes nothing.',
  CW_REQUEST_UNKNOWN: 'There is no request with this id.',
  CW_RESULT_UNSERIALISABLE: 'What a step returned cannot be stored as JSON.',
  CW_SCHEMA_NEWER: 'The schema is newer than this version knows.',
  CW_SECRET_UNKNOWN: 'This server has no secret of this name.',
  CW_SOURCE: 'The source of a component cannot be asked, or does not deliver.',
  CW_SOURCE_OPTION: 'An option of a source is wrong.',
  CW_STAGING_GONE: 'What an import has written was removed before it was published.',
  CW_STEP_FAILED: 'A step failed.',
  CW_STEP_TIMEOUT: 'A step ran longer than its timeout.',
  CW_STOPPED: 'The server was stopped before the step ended.',
  CW_STORE_FULL: 'The artifact store has no room left.',
  CW_STORE_UNKNOWN: 'The artifact store is not the one of this cluster.',
  CW_STORE_UNREACHABLE: 'The artifact store cannot be reached.',
  CW_UNDO_FAILED: 'What a lost server had done is not undone in full.',
  CW_UNKNOWN_PROCESS: 'No server has published a process of this name.',
  CW_VERSION_GATE: 'The version does not have the status that is asked for.',
  CW_VERSION_UNKNOWN: 'There is no such version, or it is not imported.',
  CW_WAIT_TIMEOUT: 'The request did not finish in time.',
} as const

export type ErrorCode = keyof typeof errorCodes

/** What an error carries besides its sentence. All of it is safe to print and to store. */
export interface ErrorDetails {
  /** The option, argument or path within the input that the error is about, such as `input.hosts[2]`. */
  field?: string | undefined
  cause?: unknown
  /** Anything else that a program may want, such as an exit code. */
  [detail: string]: unknown
}

/**
 * The one error class. `message` says what was expected and what came, and where it helps what to do.
 */
export class ClusterError extends Error {
  override readonly name: string = 'ClusterError'
  readonly code: ErrorCode
  readonly field: string | undefined
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const { field, cause, ...rest } = details
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.field = field
    this.details = rest
  }
}

/** The message of anything that was thrown, also when it is not an Error. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message || thrown.name
  if (typeof thrown === 'string') return thrown
  try {
    return `a value that is not an Error was thrown: ${JSON.stringify(thrown)}`
  } catch {
    return `a value that is not an Error was thrown: ${typeof thrown}`
  }
}
