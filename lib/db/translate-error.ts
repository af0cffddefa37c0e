import { ClusterError, messageOf, type ErrorCode } from '../errors.ts'
import { saysStandby } from './no-primary.ts'

const ours: Record<string, ErrorCode> = {
  CW001: 'CW_UNKNOWN_PROCESS',
  CW002: 'CW_IDEMPOTENCY_CONFLICT',
  CW003: 'CW_OPTION',
}

/** SQLSTATEs and system errors that say that the connection, not the statement, failed. */
const connectionCodes = new Set([
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '25P03',
  '25P04',
  '53300',
  '57P01',
  '57P02',
  '57P03',
  '57P04',
  '57P05',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'EACCES',
])

/** What the operator has to do, by SQLSTATE. */
const advice: Record<string, (message: string) => [ErrorCode, string]> = {
  '3D000': message => ['CW_DATABASE_UNFIT', `${message}; create it, for example with createdb`],
  '28P01': message => [
    'CW_CONNECTION',
    `${message}; check the user and password in the database URL`,
  ],
  '28000': message => [
    'CW_CONNECTION',
    `${message}; check pg_hba.conf and the user in the database URL`,
  ],
  '3F000': message => ['CW_NOT_MIGRATED', `${message}; run: cluster-worker migrate`],
  '42P01': message => ['CW_NOT_MIGRATED', `${message}; run: cluster-worker migrate`],
  '42883': message => ['CW_NOT_MIGRATED', `${message}; run: cluster-worker migrate`],
  '42501': message => [
    'CW_DATABASE_UNFIT',
    `${message}; grant the role what docs/operations.md lists`,
  ],
  '25006': message => [
    'CW_DATABASE_UNFIT',
    `${message}; the database is read-only: connect to the primary, without default_transaction_read_only`,
  ],
}

/** Turns what `pg` throws into a ClusterError where the user can do something about it. */
export function translateError(error: unknown): unknown {
  if (error instanceof ClusterError || !(error instanceof Error)) return error
  const sqlState = sqlStateOf(error)
  if (sqlState !== undefined) {
    const mine = ours[sqlState]
    if (mine)
      return new ClusterError(mine, withHint(error), { field: fieldOf(mine, error), cause: error })
    const known = advice[sqlState]?.(error.message)
    if (known) return new ClusterError(known[0], known[1], { cause: error, sqlState })
  }
  if (isConnectionFailure(error))
    return new ClusterError('CW_CONNECTION', `the database cannot be reached: ${reason(error)}`, {
      cause: error,
    })
  if (codeOf(error) === 'ERR_INVALID_URL')
    return new ClusterError(
      'CW_CONFIG',
      "expected the database URL to look like postgresql://user:password@host:5432/database (several hosts: host1:5432,host2:5432; encode '@', '/' and '%' in the password as %40, %2F and %25)",
      { field: 'connectionString' },
    )
  return error
}

/** The database itself says, or its host says for it, that it is not there: it restarts, stops or fails over. */
const awayCodes = new Set(['57P01', '57P02', '57P03', 'ECONNREFUSED', 'ENOENT'])

/**
 * Whether the failure is positive evidence that the database is away, and not only out of this server's reach: each
 * host of which it tells refuses, stops or starts, or is a standby. Of one session's failure that is one host; that
 * of a search (CW_NO_PRIMARY, CW_CONNECTION) tells of all.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof AggregateError)
    return error.errors.length > 0 && error.errors.every(isDatabaseAway)
  if (!(error instanceof Error)) return false
  if (saysStandby(error)) return true
  const code = codeOf(error)
  return (code !== undefined && awayCodes.has(code)) || isDatabaseAway(error.cause)
}

/** Whether the statement's outcome is unknown because the connection failed. */
export function isConnectionFailure(error: unknown): boolean {
  if (error instanceof ClusterError)
    return error.code === 'CW_CONNECTION' || error.code === 'CW_NO_PRIMARY'
  if (!(error instanceof Error)) return false
  const code = codeOf(error)
  if (code !== undefined) return connectionCodes.has(code)
  if (error instanceof AggregateError) return error.errors.some(isConnectionFailure)
  // pg gives these errors no code: "Connection terminated…", "timeout expired", "timeout exceeded when trying to connect".
  return /^(Connection terminated|timeout e|Client has encountered a connection error|Query read timeout)/.test(
    error.message,
  )
}

/** What the state of the database refuses, whatever the statement: read-only, locks, resources, an operator, its disk. */
const transientStates = /^(08|25006|40|53|55|57|58)/

const transientCodes = new Set<ErrorCode>(['CW_POOL_TIMEOUT', 'CW_NOT_REPLICATED'])

/** Whether the same statement may succeed later: nothing is wrong with its data. */
export function isTransient(error: unknown): boolean {
  if (isConnectionFailure(error)) return true
  if (error instanceof ClusterError)
    return transientCodes.has(error.code) || isTransient(error.cause)
  const sqlState = sqlStateOf(error)
  return sqlState === undefined ? isSystemError(error) : transientStates.test(sqlState)
}

/** Whether PostgreSQL refused the statement for what is in it: then nothing of it has happened. */
export function isRefused(error: unknown): boolean {
  const cause = error instanceof ClusterError ? error.cause : error
  return sqlStateOf(cause) !== undefined && !isTransient(error)
}

/** The system's own errors (out of descriptors, a network that is down …): only PostgreSQL's answer is final. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && !(error instanceof TypeError) && codeOf(error) !== undefined
}

/**
 * Five letters and digits that say what PostgreSQL refused; undefined when the error is not PostgreSQL's. Not by
 * its class: a pool of the application's own may come from another copy of the driver.
 */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error)) return undefined
  return codeOf(error)
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function reason(error: Error): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(messageOf).join('; ')
  return error.message
}

function withHint(error: Error & { hint?: string | undefined }): string {
  const { message, hint } = error
  return hint ? `${message}; ${hint.charAt(0).toLowerCase()}${hint.slice(1)}` : message
}

function fieldOf(
  code: ErrorCode,
  error: Error & { detail?: string | undefined },
): string | undefined {
  if (code === 'CW_UNKNOWN_PROCESS') return 'process'
  if (code === 'CW_IDEMPOTENCY_CONFLICT') return 'idempotencyKey'
  return error.detail
}
