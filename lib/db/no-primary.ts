import { ClusterError } from '../errors.ts'

/** A host that answers but may not be used, or that no host may be used. A later try may find another answer. */
export function noPrimary(message: string, details: Record<string, unknown> = {}): ClusterError {
  return new ClusterError('CW_NO_PRIMARY', message, { field: 'connectionString', ...details })
}

/** A standby answers truly that the primary is elsewhere, or not there yet. */
export function isStandby(host: string): ClusterError {
  return noPrimary(
    `${host} is a standby; let the database URL name the primary too, or promote the standby`,
    { standby: true },
  )
}

/** Whether a host has said of itself that it is a standby. */
export function saysStandby(error: unknown): boolean {
  return (
    error instanceof ClusterError &&
    error.code === 'CW_NO_PRIMARY' &&
    error.details['standby'] === true
  )
}
