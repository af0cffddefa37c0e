import { nearestName } from '../base/nearest-name.ts'
import { ClusterError } from '../errors.ts'
import type { Database, Queryable } from './database.ts'
import type { Tables } from './tables.ts'

/** How long an order waits for one lock: the statements of the node's server that are under way. */
const orderTimeout = '5s'

export interface LockedNode {
  /** The number of the last order that was given to the node. */
  readonly control: string
  readonly retiredAt: Date | null
  readonly retiredBy: string | null
}

/**
 * Locks a node's row, first of all rows that a transaction locks: whoever gives the node an order, and the node
 * itself when it begins or ends an incarnation, come one after the other. Claims do not touch this row.
 * @param lockTimeout how long this transaction waits for each of its locks; five seconds unless given
 * @throws {ClusterError} CW_NODE_UNKNOWN
 */
export async function lockNode(
  client: Queryable,
  t: Tables,
  node: string,
  lockTimeout: string = orderTimeout,
): Promise<LockedNode> {
  await client.query({ text: `set local lock_timeout = '${lockTimeout}'` })
  const { rows } = await client.query<LockedNode>({
    text: `
      select control, retired_at as "retiredAt", retired_by as "retiredBy"
      from ${t.node} where id = $1 for no key update`,
    values: [node],
  })
  return rows[0] ?? (await refuseUnknown(client, t, node))
}

/**
 * Gives the node's next order its number, and tells the node; call it after the order's rows are written, because
 * `accepting` follows from the open suspensions. Of the incarnations that are alive only those rows are touched that
 * change. Claims, finishes and step records in their name share-lock them, so this waits for those under way, and
 * later ones see the change.
 * @returns the order's number
 */
export async function issueOrder(db: Database, client: Queryable, node: string): Promise<string> {
  const { t } = db
  await client.query({
    text: `
      update ${t.incarnation} set accepting = not accepting
      where node = $1 and state = 'alive' and accepting = ${isSuspended(t, '$1')}`,
    values: [node],
  })
  const { rows } = await client.query<{ control: string }>({
    text: `update ${t.node} set control = control + 1 where id = $1 returning control`,
    values: [node],
  })
  await client.query({ text: `select pg_notify($1, 'control')`, values: [`${db.schema}_wake`] })
  return rows[0]?.control as string
}

/** A boolean SQL expression: a suspension of the node has neither been cleared nor come to its end. */
export function isSuspended(t: Tables, node: string): string {
  return `exists (
    select from ${t.suspension} as s
    where s.node = ${node} and s.cleared_at is null and (s.until is null or s.until > clock_timestamp()))`
}

/** @throws {ClusterError} CW_NODE_UNKNOWN with the nearest name that there is */
export async function refuseUnknown(client: Queryable, t: Tables, node: string): Promise<never> {
  const { rows } = await client.query<{ id: string }>({ text: `select id from ${t.node}` })
  const nearest = nearestName(
    node,
    rows.map(({ id }) => id).filter(id => id !== node),
  )
  throw new ClusterError(
    'CW_NODE_UNKNOWN',
    `no server with the node id '${node}' has ever joined${nearest === undefined ? '; cluster-worker nodes lists them' : `; did you mean '${nearest}'?`}`,
    { field: 'node' },
  )
}
