import type { NodeIdentity } from '../base/node-identity.ts'
import { ClusterError } from '../errors.ts'
import { queueCompensations } from './compensations.ts'
import type { Database, Queryable } from './database.ts'
import { isSuspended, lockNode } from './lock-node.ts'
import { writeHistory } from './node-history.ts'
import { refuseNode } from './node-identity.ts'
import { beginRole } from './standby.ts'
import { clearOver } from './suspensions.ts'
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
  /** Defaults to active. */
  role?: 'active' | 'standby'
  /** When a standby that has taken over hands back. Defaults to automatic. */
  handBack?: 'automatic' | 'manual'
  /** Why its last life fenced itself, when it did. */
  fenced?: string | undefined
}

/**
 * Begins a new life of the node. Runs on the session that holds the node's identity lock, so that nobody takes the
 * node id for another data folder at the same time.
 *
 * Who else may touch these rows at the same time: orders to the node, which lock its row as this does. One that comes
 * first is seen by the insert, a statement of its own; one that comes second finds the incarnation and tells it.
 * @throws {ClusterError} CW_NODE_RETIRED; CW_NODE_IDENTITY when the node id was taken for another data folder before
 */
export async function beginIncarnation(
  session: Queryable,
  t: Tables,
  about: NodeDescription,
): Promise<string> {
  const { node, role = 'active', handBack = 'automatic' } = about
  await session.query({ text: 'begin isolation level read committed' })
  try {
    const { retiredAt, retiredBy } = await lockNode(session, t, node)
    if (retiredAt) throw retired(node, retiredBy)
    await clearOver(session, t, node)
    if (about.fenced !== undefined) await noteFence(session, t, node, about.fenced)
    await beginRole(session, t, node, role)
    const { rows } = await session.query<{ id: string }>({
      text: `
        with begun as (
          insert into ${t.incarnation} (node, version, host, pid, concurrency, lost_after_ms, outage_grace_ms,
            on_failure_steps, role, hand_back, accepting, control_seen)
          select id, $3, $4, $5, $6, $7, $8, $9, $10, $11, not ${isSuspended(t, '$1')}, control from ${t.node}
          where id = $1 and instance = $2
          returning id
        )
        insert into ${t.witness} (incarnation) select id from begun returning incarnation as id`,
      values: [
        node,
        about.instance,
        about.version,
        about.host,
        about.pid,
        about.concurrency,
        about.lostAfterMs,
        about.outageGraceMs,
        JSON.stringify(about.onFailureSteps ?? {}),
        role,
        handBack,
      ],
    })
    const incarnation = rows[0]?.id ?? (await refuseNode(session, t, node))
    const reason = role === 'standby' ? 'as a standby' : ''
    await writeHistory(session, t, { node, incarnation, state: 'joined', reason, who: node })
    await session.query({ text: 'commit' })
    return incarnation
  } catch (error) {
    await session.query({ text: 'rollback' }).catch(() => undefined)
    throw error
  }
}

/** How often a node may lose the database in so many minutes, and for how many it then waits. */
const fences = { often: 2, withinMinutes: 10, waitMinutes: 1 }

/**
 * Tells the history that the node's last life fenced itself. One that did so again and again begins suspended: it
 * claims when it has kept the database for a minute. All by the database's clock.
 */
async function noteFence(
  session: Queryable,
  t: Tables,
  node: string,
  reason: string,
): Promise<void> {
  await writeHistory(session, t, { node, state: 'fenced', reason, who: node })
  await session.query({
    text: `
      insert into ${t.suspension} (node, kind, who, reason, until)
      select $1, 'database', $1, $2, clock_timestamp() + $5 * interval '1 minute'
      from ${t.nodeHistory} where node = $1 and state = 'fenced' and at > clock_timestamp() - $4 * interval '1 minute'
      having count(*) >= $3
      on conflict (node, kind, who, reason) where cleared_at is null do update set until = excluded.until`,
    values: [
      node,
      `it lost the database ${fences.often} times within ${fences.withinMinutes} minutes`,
      fences.often,
      fences.withinMinutes,
      fences.waitMinutes,
    ],
  })
}

function retired(node: string, by: string | null): ClusterError {
  return new ClusterError(
    'CW_NODE_RETIRED',
    `the node id '${node}' was retired by ${by}; give this server another id, or take the old one back with: cluster-worker resume ${node}`,
    { field: 'nodeId' },
  )
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
 * Says that an incarnation claims nothing more, because its server is stopping: a standby must not wait until what runs
 * there has ended. Waits for claims in its name that are under way; an order to the node meanwhile may undo it, which
 * only makes standbys wait.
 */
export async function stopAccepting(db: Database, incarnation: string): Promise<void> {
  await db.query({
    text: `update ${db.t.incarnation} set accepting = false where id = $1 and state = 'alive' and accepting`,
    values: [incarnation],
  })
}

/**
 * Ends an incarnation in good order, once, however often it is repeated; false when it was declared lost or still runs
 * something.
 *
 * The lock waits for a claim in the incarnation's name that is under way. The update is a statement of its own,
 * so that it sees what the claim took. The node's row is locked first, as orders to it do; one to drain and then exit
 * is carried out with this.
 */
export async function leave(db: Database, incarnation: string): Promise<boolean> {
  const { t } = db
  return db.transaction(async client => {
    const node = await nodeOf(client, t, incarnation)
    if (node === undefined) return false
    await lockNode(client, t, node)
    const { rows } = await client.query<{ state: string }>({
      text: `select state from ${t.incarnation} where id = $1 for update`,
      values: [incarnation],
    })
    // It is repeated when nobody knows what became of it.
    if (rows[0]?.state === 'left') return true
    const { rowCount } = await client.query({
      text: `
        update ${t.incarnation} set state = 'left', ended_at = clock_timestamp()
        where id = $1 and state = 'alive'
          and not exists (select from ${t.running} where incarnation = $1)`,
      values: [incarnation],
    })
    if (rowCount !== 1) return false
    await client.query({
      text: `
        update ${t.suspension} set cleared_at = clock_timestamp(), cleared_by = 'it has left'
        where node = $1 and then_exit and cleared_at is null`,
      values: [node],
    })
    await writeHistory(client, t, { node, incarnation, state: 'left', who: node })
    return true
  })
}

async function nodeOf(
  client: Queryable,
  t: Tables,
  incarnation: string,
): Promise<string | undefined> {
  const { rows } = await client.query<{ node: string }>({
    text: `select node from ${t.incarnation} where id = $1`,
    values: [incarnation],
  })
  return rows[0]?.node
}

/** How long a declaration waits for one lock: the others that are silent must not wait behind it. */
const lockTimeout = '1s'

/**
 * Declares an incarnation lost, fails what it ran and queues what undoes it, in one transaction. Idempotent: any
 * server may do it, any number of them at once.
 *
 * Who else may touch these rows at the same time:
 * - orders to the node, and the beginning and the end of its incarnations: all lock the node's row first, so an order
 *   finds the incarnation alive or ended, and never one that is just being ended
 * - claims and finishes in the incarnation's name: the update waits for those under way (they share-lock its row) and
 *   shuts out later ones. The delete is a statement of its own, so that it sees what they did
 * - a new session that proves the incarnation: `isUnproved` locks the row that it counts in
 *
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
    const node = await nodeOf(client, t, incarnation)
    if (node === undefined) return undefined
    await lockNode(client, t, node, lockTimeout)
    if (sessions !== undefined && !(await isUnproved(client, t, incarnation, sessions)))
      return undefined
    const { rowCount } = await client.query({
      text: `
        update ${t.incarnation} set state = 'lost', ended_at = clock_timestamp()
        where id = $1 and state = 'alive'`,
      values: [incarnation],
    })
    if (rowCount !== 1) return undefined
    await writeHistory(client, t, { node, incarnation, state: 'lost', who: declaredBy })
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
        update ${t.stepRecord} set state = 'failed', finished_at = clock_timestamp(), error = $2::jsonb
        where request_id = any ($1::bigint[]) and state = 'running'`,
      values: [ids, error],
    })
    await queueCompensations(client, db, incarnation, ids)
    return ids
  })
}

/**
 * Declares an incarnation lost because it was silent, as `declareLost` does.
 *
 * First a new connection shows that the database accepts them. One that is being shut down smartly refuses new ones
 * and serves old ones on; then the silent server is told that the database is away, while we could declare it lost.
 */
export async function declareSilentLost(
  db: Database,
  { id, sessions }: { id: string; sessions: number },
  declaredBy: string,
): Promise<string[] | undefined> {
  const probe = await db.connectAlone({ application_name: `cluster-worker probe ${declaredBy}` })
  await probe.end()
  return declareLost(db, id, declaredBy, sessions)
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
