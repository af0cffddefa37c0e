import type pg from 'pg'
import { ClusterError } from '../errors.ts'

/** PostgreSQL's function that warns when a commit did not wait for its standby. Unlike the text, it is never translated. */
const waitRoutine = 'SyncRepWaitForLSN'

/** An SQL expression for `with`: evaluating it lets the statement's own commit wait for the standby. */
export const confirmation = `confirmed as materialized (
  select case when current_setting('synchronous_standby_names') <> ''
    then pg_logical_emit_message(true, 'cluster-worker', '') end
)`

/**
 * Watches what a connection says while it is used. When the wait for a synchronous standby is cancelled, PostgreSQL
 * commits all the same, with a warning: the standby may not have it, and a failover may undo it.
 */
export function watchReplication(client: pg.ClientBase): {
  /** @throws {ClusterError} CW_NOT_REPLICATED */
  check(): void
  end(): void
} {
  let isUnsure = false
  const listen = (notice: { routine?: string | undefined }): void => {
    if (notice.routine === waitRoutine) isUnsure = true
  }
  client.on('notice', listen)
  return {
    check() {
      if (isUnsure)
        throw new ClusterError(
          'CW_NOT_REPLICATED',
          'the database has committed this, but did not wait for its standby, so that a failover may undo it; ask again, with the same idempotency key, when the standby is back',
        )
    },
    end: () => void client.removeListener('notice', listen),
  }
}
