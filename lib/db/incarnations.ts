import type { NodeIdentity } from '../base/node-identity.ts'
import { queueCompensations } from './compensations.ts'
import type { Database, Queryable } from './database.ts'
import { refuseNode } from './node-identity.ts'
import type { Tables } from './tables.ts'

export interface NodeDescription extends NodeIdentity {
  version: string
  host: string
  pid: number
  concurrency: number
  /** How long the others must wait for it before they declare it lost, in milliseconds. */
  lostAfterMs: number
  /** How long it may go on without proof while the database is away, in milliseconds. */
  outageGraceMs: number
  /** How many on-failure steps its processes have, by lane; lanes without any are left out. Defaults to none. */
  onFailureSteps?: Readonly<Record<number, number>>
}

/**
 * Begins a new life of the node. Runs on the session that holds the node's identity lock, so that nobody takes the
 * node id for another data folder at the same time.
 * @throws {ClusterError} CW_NODE_IDENTITY when somebody has done so before
 */
export async function beginIncarnation(
  session: Queryable,
  t: Tables,
  about: NodeDescription,
): Promise<string> {
  const { rows } = await session.query<{ id: string }>({
    text: `
      with begun as (
        insert into ${t.incarnation} (node, version, host, pid, concurrency, lost_after_ms, outage_grace_ms,
          on_failure_steps)
        select id, $3, $4, $5, $6, $7, $8, $9 from ${t.node} where id = $1 and instance = $2 returning id
      )
      insert into ${t.witness} (incarnation) select id from begun returning incarnation as id`,
    values: [
      about.node,
      about.instance,
      about.version,
      about.host,
      about.pid,
      about.concurrency,
      about.lostAfterMs,
      about.outageGraceMs,
      JSON.stringify(about.onFailureSteps ?? {}),
    ],
  })
  return rows[0]?.id ?? refuseNode(session, t, about.node)
}

/**
 * Another session proves the incarnation from now on.
 *
 * A declaration that is under way share-locks the row: then this waits for it, and the next pulse tells how it ended.
 */
export async function countSession(
  session: Queryable,
  t: Tables,
  incarnation: string,
): Promise<void> {
  await session.query({
    text: `update ${t.witness} set sessions = sessions + 1 where incarnation = $1`,
    values: [incarnation],
  })
}

/**
 * Ends an incarnation in good order; false when it had ended already or still runs something.
 *
 * The lock waits for a claim in the incarnation's name that is under way. The update is a statement of its own,
 * so that it sees what the claim took.
 */
export async function leave(db: Database, incarnation: string): Promise<boolean> {
  const { t } = db
  return db.transaction(async client => {
    await client.query({
      text: `select from ${t.incarnation} where id = $1 for update`,
      values: [incarnation],
    })
    const { rowCount } = await client.query({
      text: `
        update ${t.incarnation} set state = 'left', ended_at = clock_timestamp()
        where id = $1 and state = 'alive'
          and not exists (select from ${t.running} where incarnation = $1)`,
      values: [incarnation],
    })
    return rowCount === 1
  })
}

/** How long a declaration waits for one lock: the others that are silent must not wait behind it. */
const lockTimeout = '1s'

/**
 * Declares an incarnation lost, fails what it ran and queues what undoes it, in one transaction. Idempotent: any
 * server may do it, any number of them at once.
 *
 * The update waits for claims and finishes in the incarnation's name that are under way (they share-lock its
 * row) and shuts out later ones. The delete is a statement of its own, so that it sees what they did.
 * @param sessions how many sessions had proved it when its silence began; when there is another one, it was not
 *   silent all the time, and is not declared lost. Not needed by who knows otherwise that it has stopped its work
 * @returns the ids of the requests that failed; undefined when the incarnation had ended already, or proved itself
 * @throws SQLSTATE 55P03 when one of those is still under way after a second; nothing has changed then, and a later
 *   declaration may succeed
 */
export async function declareLost(
  db: Database,
  incarnation: string,
  declaredBy: string,
  sessions?: number,
): Promise<string[] | undefined> {
  const { t } = db
  return db.transaction(async client => {
    await client.query({ text: `set local lock_timeout = '${lockTimeout}'` })
    if (sessions !== undefined && !(await isUnproved(client, t, incarnation, sessions)))
      return undefined
    const { rows } = await client.query<{ node: string }>({
      text: `
        update ${t.incarnation} set state = 'lost', ended_at = clock_timestamp()
        where id = $1 and state = 'alive' returning node`,
      values: [incarnation],
    })
    const node = rows[0]?.node
    if (node === undefined) return undefined
    const error = JSON.stringify({
      code: 'CW_NODE_LOST',
      message: `the server ${node} was lost while it ran this request (noticed by ${declaredBy})`,
    })
    const failed = await client.query<{ id: string }>({
      text: `
        with gone as (
          delete from ${t.running} where incarnation = $1 returning id, started_at
        )
        insert into ${t.finished} (id, outcome, reason, error, incarnation, started_at)
        select id, 'failed', 'server_lost', $2::jsonb, $1, started_at from gone
        returning id`,
      values: [incarnation, error],
    })
    const ids = failed.rows.map(row => row.id)
    await client.query({
      text: `
        update ${t.step} set state = 'failed', finished_at = clock_timestamp(), error = $2::jsonb
        where request_id = any ($1::bigint[]) and state = 'running'`,
      values: [ids, error],
    })
    await queueCompensations(client, db, incarnation, ids)
    return ids
  })
}

/** The lock keeps a new session of the incarnation from proving it until the declaration has ended. */
async function isUnproved(
  client: Queryable,
  t: Tables,
  incarnation: string,
  sessions: number,
): Promise<boolean> {
  const { rows } = await client.query<{ sessions: number }>({
    text: `select sessions from ${t.witness} where incarnation = $1 for share`,
    values: [incarnation],
  })
  return (rows[0]?.sessions ?? 0) === sessions
}
