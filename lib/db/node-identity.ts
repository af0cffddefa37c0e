import type { NodeIdentity } from '../base/node-identity.ts'
import { ClusterError } from '../errors.ts'
import type { Database, Queryable } from './database.ts'
import { tryShareLockInTransaction } from './locks.ts'
import type { Tables } from './tables.ts'

/** A session, or a pool, and the names of the tables. */
type Session = Queryable & { readonly t: Tables }

/**
 * Makes the node known, as that of this data folder, and gives the number of its identity lock.
 *
 * Another server with the same node id may do so at the same time: its row is waited for, and the later one is
 * refused when its folder is another.
 * @throws {ClusterError} CW_NODE_IDENTITY when the node id belongs to another data folder
 */
export async function registerNode(db: Session, { node, instance }: NodeIdentity): Promise<string> {
  const { rows } = await db.query<{ seq: string }>({
    text: `
      insert into ${db.t.node} (id, instance) values ($1, $2)
      on conflict (id) do update set instance = excluded.instance
      where node.instance is null or node.instance = excluded.instance
      returning seq::text`,
    values: [node, instance],
  })
  return rows[0]?.seq ?? refuseNode(db, db.t, node)
}

/**
 * The first thing a server does in the database: the node id becomes that of its data folder, and the folder keeps
 * it, both or none. A crash in between leaves a folder whose identity the next start registers.
 * @param options.take whether the node id is taken from the data folder that it belongs to, if its server is not alive
 * @param options.keep writes the identity into the folder
 * @returns the number of the node's identity lock
 * @throws {ClusterError} CW_NODE_IDENTITY, CW_NODE_ID_TAKEN, and what `keep` throws
 */
export async function claimNode(
  db: Database,
  identity: NodeIdentity,
  { take, keep }: { take: boolean; keep: () => Promise<void> },
): Promise<string> {
  const { t } = db
  return db.transaction(async client => {
    const session = { t, query: client.query.bind(client) }
    const seq = await (take ? takeNode(session, identity) : registerNode(session, identity))
    await keep()
    return seq
  })
}

/**
 * The identity lock is held until the transaction has ended, so that a server of the older data folder has either
 * begun before, and we are refused, or begins after it, and is refused by `beginIncarnation`. Two that take the node id
 * share it, and come one after the other by its row: PostgreSQL gives a transaction's rows free a moment before its
 * advisory locks, so that the later one would meet a lock whose holder has committed.
 */
async function takeNode(session: Session, { node, instance }: NodeIdentity): Promise<string> {
  const { rows } = await session.query<{ seq: string }>({
    text: `
      insert into ${session.t.node} (id, instance) values ($1, $2)
      on conflict (id) do update set instance = excluded.instance
      returning seq::text`,
    values: [node, instance],
  })
  const seq = rows[0]?.seq as string
  if (!(await tryShareLockInTransaction(session, session.t, 'node', seq))) throw nodeIdTaken(node)
  return seq
}

/** @throws {ClusterError} CW_NODE_IDENTITY, always */
export async function refuseNode(db: Queryable, t: Tables, node: string): Promise<never> {
  const { rows } = await db.query<{ host: string; at: string }>({
    text: `
      select host, to_char(started_at at time zone 'utc', 'YYYY-MM-DD HH24:MI "UTC"') as at
      from ${t.incarnation} where node = $1 order by id desc limit 1`,
    values: [node],
  })
  const [last] = rows
  const seen = last ? `, which was last started on ${last.host} at ${last.at}` : ''
  throw new ClusterError(
    'CW_NODE_IDENTITY',
    `the node id '${node}' belongs to another data folder${seen}; give this server an id of its own (--node-id or CLUSTER_NODE_ID), or its old data folder back or, if it replaces that server, start it once with --take-identity`,
    { field: 'nodeId' },
  )
}

/** The error for a node id whose identity lock another session holds. */
export function nodeIdTaken(node: string): ClusterError {
  return new ClusterError(
    'CW_NODE_ID_TAKEN',
    `another live server has the node id '${node}'; give this one an id of its own (--node-id or CLUSTER_NODE_ID), or stop the other first`,
    { field: 'nodeId' },
  )
}
