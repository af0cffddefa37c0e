import type { Database } from './database.ts'
import { isHeld } from './locks.ts'

export interface FormerIncarnation {
  readonly state: 'alive' | 'left' | 'lost'
  /** Whether a session still proves it. */
  readonly isProven: boolean
}

/** How an incarnation stands; undefined when there is none with this number that was this process of this node. */
export async function findFormer(
  db: Database,
  incarnation: string,
  about: { readonly node: string; readonly host: string; readonly pid: number },
): Promise<FormerIncarnation | undefined> {
  const { t } = db
  const { rows } = await db.query<FormerIncarnation>({
    text: `
      select state, ${isHeld(t, 'incarnation', 'id')} as "isProven" from ${t.incarnation}
      where id = $1 and node = $2 and host = $3 and pid = $4`,
    values: [incarnation, about.node, about.host, about.pid],
  })
  return rows[0]
}

/** @returns those of the ids that are requests which the incarnation did not come to an end with */
export async function listAbandoned(
  db: Database,
  incarnation: string,
  ids: readonly string[],
): Promise<string[]> {
  const { t } = db
  const { rows } = await db.query<{ id: string }>({
    text: `
      select id::text from ${t.running} where id = any ($1::bigint[]) and incarnation = $2
      union all
      select id::text from ${t.finished}
      where id = any ($1::bigint[]) and incarnation = $2 and reason = 'server_lost'`,
    values: [ids, incarnation],
  })
  return rows.map(({ id }) => id)
}
