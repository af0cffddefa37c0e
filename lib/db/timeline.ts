import type pg from 'pg'
import { noPrimary } from './no-primary.ts'
import { typeParsers } from './type-parsers.ts'

/** What one PostgreSQL says about itself. */
export interface Standing {
  /** The same for a primary and all its standbys: the system identifier. */
  readonly system: string
  /** Counts the promotions; undefined for a standby. */
  readonly timeline: number | undefined
  /** Tells one start of one server from all others, also when it is reached under two names. */
  readonly startedAt: string
}

/**
 * Asks a session where it is, with one statement. The timeline comes from the name of the WAL file that is written
 * now: the control file still has the old one right after a promotion.
 */
export async function askStanding(session: pg.ClientBase, timeoutMs: number): Promise<Standing> {
  const question = {
    text: `
      select system_identifier::text as system, pg_postmaster_start_time()::text as "startedAt",
        case when not pg_is_in_recovery() then pg_walfile_name(pg_current_wal_lsn()) end as wal
      from pg_control_system()`,
    types: typeParsers,
    query_timeout: timeoutMs,
  }
  const { rows } = await session.query<{ system: string; startedAt: string; wal: string | null }>(
    question,
  )
  const row = rows[0]
  if (!row) throw noPrimary('the database did not answer the first question')
  const { system, startedAt, wal } = row
  return { system, startedAt, timeline: wal === null ? undefined : parseTimeline(wal) }
}

/** The first 8 of the 24 hexadecimal digits of a WAL file's name. */
function parseTimeline(walFile: string): number {
  return Number.parseInt(walFile.slice(0, 8), 16)
}
