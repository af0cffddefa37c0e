import { ClusterError, type ErrorCode } from '../lib/errors.ts'

/** Every exit code of the binary. systemd should not restart after `misconfigured`. */
export const exitCode = {
  ok: 0,
  /** The request failed or was cancelled, or the operation failed. */
  failed: 1,
  /** The command line, or what it names, is wrong. */
  usage: 2,
  /** The database cannot be reached. */
  unavailable: 69,
  /** It took too long, or somebody else is in the way: try again later. */
  tryAgain: 75,
  /** The configuration, a definition or the database's set-up is wrong. */
  misconfigured: 78,
  /** SIGHUP, SIGINT and SIGTERM: 128 and the signal's number. */
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** All other errors mean `failed`. */
const byErrorCode: Partial<Record<ErrorCode, ExitCode>> = {
  CW_COMPONENT: exitCode.misconfigured,
  CW_COMPONENT_UNKNOWN: exitCode.usage,
  CW_CONFIG: exitCode.misconfigured,
  CW_CONNECTION: exitCode.unavailable,
  CW_DATABASE_UNFIT: exitCode.misconfigured,
  CW_DATA_DIR: exitCode.misconfigured,
  CW_DATA_DIR_TAKEN: exitCode.tryAgain,
  CW_DEFINITION: exitCode.misconfigured,
  CW_INPUT_INVALID: exitCode.usage,
  CW_INPUT_UNSERIALISABLE: exitCode.usage,
  CW_NODE_IDENTITY: exitCode.misconfigured,
  CW_NODE_ID_TAKEN: exitCode.tryAgain,
  CW_NODE_LOST: exitCode.tryAgain,
  CW_NODE_RETIRED: exitCode.misconfigured,
  CW_NODE_UNKNOWN: exitCode.usage,
  CW_NOT_MIGRATED: exitCode.misconfigured,
  CW_NOT_REPLICATED: exitCode.tryAgain,
  CW_NO_PRIMARY: exitCode.unavailable,
  CW_OPTION: exitCode.usage,
  CW_POOL_TIMEOUT: exitCode.unavailable,
  CW_READ_ONLY: exitCode.misconfigured,
  CW_REQUEST_UNKNOWN: exitCode.usage,
  CW_SCHEMA_NEWER: exitCode.misconfigured,
  CW_SECRET_UNKNOWN: exitCode.misconfigured,
  CW_SOURCE_OPTION: exitCode.misconfigured,
  CW_STORE_FULL: exitCode.tryAgain,
  CW_STORE_UNKNOWN: exitCode.misconfigured,
  CW_STORE_UNREACHABLE: exitCode.unavailable,
  CW_UNKNOWN_PROCESS: exitCode.usage,
  CW_VERSION_UNKNOWN: exitCode.usage,
  CW_WAIT_TIMEOUT: exitCode.tryAgain,
}

/** The exit code that says what was thrown. */
export function exitCodeOf(thrown: unknown): ExitCode {
  return (thrown instanceof ClusterError ? byErrorCode[thrown.code] : undefined) ?? exitCode.failed
}
