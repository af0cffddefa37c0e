import type { Database, Queryable } from './database.ts'
import type { Tables } from './tables.ts'

/** What can become of a node. */
export type NodeEvent =
  | 'joined'
  | 'suspended'
  | 'resumed'
  | 'draining'
  | 'drained'
  | 'left'
  | 'lost'
  | 'fenced'
  | 'retired'
  | 'took-over'
  | 'handed-back'

/** One line of a node's history. */
export interface NodeHistoryEntry {
  at: Date
  state: NodeEvent
  incarnation: string | null
  /** Empty when none was given. */
  reason: string
  /** A person, or a server. */
  who: string
}

export interface NodeHistoryLine {
  readonly node: string
  readonly incarnation?: string | null
  readonly state: NodeEvent
  readonly reason?: string
  readonly who: string
}

/**
 * Appends a line to a node's history. Within the transaction that makes the change, so that neither is there without
 * the other. Nobody ever changes these rows.
 */
export async function writeHistory(
  client: Queryable,
  t: Tables,
  { node, incarnation = null, state, reason = '', who }: NodeHistoryLine,
): Promise<void> {
  await client.query({
    text: `
      insert into ${t.nodeHistory} (node, incarnation, state, reason, who)
      values ($1, $2, $3, $4, $5)`,
    values: [node, incarnation, state, reason, who],
  })
}

/** What became of a node, the latest first. */
export async function readHistory(
  db: Database,
  node: string,
  limit: number,
): Promise<NodeHistoryEntry[]> {
  const { rows } = await db.query<NodeHistoryEntry>({
    text: `
      select at, state, incarnation, reason, who from ${db.t.nodeHistory}
      where node = $1 order by id desc limit $2`,
    values: [node, limit],
  })
  return rows
}

/**
 * Removes what happened longer ago than `ageMs`, and the suspensions that were cleared before that. Several servers
 * may do so at the same time: a row can be deleted once. Of each node the last line stays.
 */
export async function purgeHistory(db: Database, ageMs: number): Promise<void> {
  const { t } = db
  const values = [ageMs]
  await db.query({
    text: `
      delete from ${t.nodeHistory} as h
      where at < now() - $1 * interval '1 ms'
        and exists (select from ${t.nodeHistory} as later where later.node = h.node and later.id > h.id)`,
    values,
  })
  await db.query({
    text: `delete from ${t.suspension} where cleared_at < now() - $1 * interval '1 ms'`,
    values,
  })
}
