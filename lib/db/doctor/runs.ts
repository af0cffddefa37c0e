import type { Outcome } from '../../base/record.ts'
import type { Queryable } from '../database.ts'
import { isHeld } from '../locks.ts'
import type { Tables } from '../tables.ts'

/** What the database says about a request of which this machine has traces. */
export interface KnownRun {
  readonly id: string
  readonly process: string
  readonly state: 'scheduled' | 'queued' | 'running' | 'finished'
  readonly outcome: Outcome | null
  readonly reason: string | null
  /** The server that runs or ran it. */
  readonly node: string | null
  /** The token of the claim, while it runs. */
  readonly token: string | null
  /** Whether the server that runs it proves that it lives. */
  readonly isProven: boolean
}

/** The requests of these ids that are known. */
export async function findRuns(
  session: Queryable,
  t: Tables,
  ids: readonly string[],
): Promise<KnownRun[]> {
  const { rows } = await session.query<KnownRun>({
    text: `
      select s.id, s.process, s.state, s.outcome, s.reason, s.node, r.token,
        coalesce(i.state = 'alive' and ${isHeld(t, 'incarnation', 'i.id')}, false) as "isProven"
      from ${t.requestStatus} as s
      left join ${t.running} as r on r.id = s.id
      left join ${t.incarnation} as i on i.id = r.incarnation
      where s.id = any ($1::bigint[])`,
    values: [ids],
  })
  return rows
}

/** The processes of servers that should live on this host. */
export async function findLocalServers(
  session: Queryable,
  t: Tables,
  host: string,
): Promise<number[]> {
  const { rows } = await session.query<{ pid: number }>({
    text: `select pid from ${t.incarnation} where state = 'alive' and host = $1 order by id`,
    values: [host],
  })
  return rows.map(({ pid }) => pid)
}
