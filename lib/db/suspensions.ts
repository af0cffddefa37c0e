import type { Database, Queryable } from './database.ts'
import { issueOrder, lockNode } from './lock-node.ts'
import { writeHistory } from './node-history.ts'
import { standBy } from './standby.ts'
import type { Tables } from './tables.ts'

/**
 * Why a node claims nothing. `operator` and `drain` are set by people and cleared by `resume`; the server sets and
 * clears the others itself: `store` (what it needs cannot be reached), `disk-full`, `step-runner` (it cannot start
 * commands), `database` (it lost the database again and again), `standby` (another server claims).
 */
export type SuspensionKind = 'operator' | 'drain' | AutomaticKind

export type AutomaticKind = 'store' | 'disk-full' | 'step-runner' | 'database' | 'standby'

/** All kinds. */
export const suspensionKinds: readonly SuspensionKind[] = [
  'operator',
  'drain',
  'store',
  'disk-full',
  'step-runner',
  'database',
  'standby',
]

/** One reason on the stack of a node. */
export interface Suspension {
  id: string
  kind: SuspensionKind
  /** Empty when none was given. */
  reason: string
  /** A person, or the server itself. */
  who: string
  /** Whether what ran was stopped. */
  atOnce: boolean
  /** Whether the server ends when it has drained. */
  thenExit: boolean
  since: Date
  /** When it ends by itself; null for never. */
  until: Date | null
  /** When what still ran was stopped, or will be. */
  deadline: Date | null
  drainedAt: Date | null
  clearedAt: Date | null
  clearedBy: string | null
}

export interface SuspensionOrder {
  readonly node: string
  readonly kind: SuspensionKind
  readonly reason?: string
  readonly who: string
  readonly atOnce?: boolean
  readonly thenExit?: boolean
  /** How long it lasts, by the database's clock; until it is cleared unless given. */
  readonly forMs?: number
  /** How long a drain lets run what runs, by the database's clock; as long as it takes unless given. */
  readonly deadlineMs?: number
  /** Only when this incarnation of the node is alive: what a server says of itself must not meet the next one. */
  readonly incarnation?: string
}

/** What an order did, and what to wait for. */
export interface Issued {
  /** The order's number: it is carried out when the server has seen this one. */
  readonly control: string
  /** The node's incarnation that is alive. */
  readonly incarnation: string | undefined
}

/**
 * Puts a reason on a node's stack. When this has committed, the node's incarnation claims nothing any more. The same
 * reason by the same hand again renews it. A standby that has taken over hands back with this.
 *
 * Who else may touch these rows at the same time:
 * - another order to the node, and the beginning and the end of its incarnations, by its leaving or its loss: all
 *   lock the node's row first
 * - claims in the name of the incarnation: `issueOrder` waits for those under way; later ones see that they may not
 *
 * @returns undefined when `incarnation` is given and is not alive, or when a node that does not run shall exit
 * @throws {ClusterError} CW_NODE_UNKNOWN; SQLSTATE 55P03 when a claim under way does not end within five seconds;
 *   nothing has changed then
 */
export async function suspendNode(
  db: Database,
  order: SuspensionOrder,
): Promise<(Issued & { id: string }) | undefined> {
  const { t } = db
  const { node, kind, reason = '', who } = order
  return db.transaction(async client => {
    await lockNode(client, t, node)
    const incarnation = await aliveIncarnation(client, t, node)
    const wanted = order.thenExit ? (order.incarnation ?? incarnation ?? '') : order.incarnation
    if (wanted !== undefined && wanted !== incarnation) return undefined
    await clearOver(client, t, node)
    const { rows } = await client.query<{ id: string }>({
      text: `
        insert into ${t.suspension} as s (node, kind, reason, who, at_once, then_exit, until, deadline)
        values ($1, $2, $3, $4, $5, $6,
          clock_timestamp() + $7::float8 * interval '1 ms', clock_timestamp() + $8::float8 * interval '1 ms')
        on conflict (node, kind, who, reason) where cleared_at is null do update
        set at_once = s.at_once or excluded.at_once, then_exit = s.then_exit or excluded.then_exit,
          until = excluded.until, deadline = excluded.deadline
        returning id`,
      values: [
        node,
        kind,
        reason,
        who,
        order.atOnce ?? false,
        order.thenExit ?? false,
        order.forMs ?? null,
        order.deadlineMs ?? null,
      ],
    })
    const state = kind === 'drain' ? 'draining' : 'suspended'
    const line = kind === 'operator' || kind === 'drain' ? reason : `${kind}: ${reason}`
    await writeHistory(client, t, {
      node,
      incarnation: incarnation ?? null,
      state,
      reason: line,
      who,
    })
    await standBy(client, t, node)
    const control = await issueOrder(db, client, node)
    return { control, incarnation, id: rows[0]?.id as string }
  })
}

export interface ResumeOrder {
  readonly node: string
  /** Which reasons are cleared. */
  readonly kinds: readonly SuspensionKind[]
  /** Who or what clears them. */
  readonly by: string
  /** Only these, when given. */
  readonly ids?: readonly string[]
  /** Whether a node that was retired may start again. */
  readonly takeBack?: boolean
  /** Only when this incarnation of the node is alive: a server that was lost must not speak for the next one. */
  readonly incarnation?: string
}

export interface Resumed extends Issued {
  /** The oldest first. */
  readonly cleared: Suspension[]
  /** What still suspends the node. */
  readonly remaining: Suspension[]
}

/**
 * Takes reasons off a node's stack; when none is left, the node claims again. Who else may touch these rows at the
 * same time: as for `suspendNode`.
 * @throws {ClusterError} CW_NODE_UNKNOWN; SQLSTATE 55P03 as `suspendNode`
 */
export async function resumeNode(db: Database, order: ResumeOrder): Promise<Resumed> {
  const { t } = db
  const { node, kinds, by, ids = null } = order
  return db.transaction(async client => {
    const { control, retiredAt } = await lockNode(client, t, node)
    const incarnation = await aliveIncarnation(client, t, node)
    if (order.incarnation !== undefined && order.incarnation !== incarnation) {
      const remaining = await openSuspensions(client, t, node)
      return { control, incarnation, cleared: [], remaining }
    }
    const over = await clearOver(client, t, node)
    const { rows } = await client.query<Suspension>({
      text: `
        with cleared as (
          update ${t.suspension} set cleared_at = clock_timestamp(), cleared_by = $3
          where node = $1 and kind = any ($2) and cleared_at is null and ($4::bigint[] is null or id = any ($4))
          returning *
        )
        select ${suspensionColumns} from cleared order by id`,
      values: [node, kinds, by, ids],
    })
    const isTakenBack = order.takeBack === true && retiredAt !== null
    if (isTakenBack)
      await client.query({
        text: `update ${t.node} set retired_at = null, retired_by = null where id = $1`,
        values: [node],
      })
    const remaining = await openSuspensions(client, t, node)
    if (remaining.length === 0 && (over + rows.length > 0 || isTakenBack))
      await writeHistory(client, t, {
        node,
        incarnation: incarnation ?? null,
        state: 'resumed',
        who: by,
      })
    return { control: await issueOrder(db, client, node), incarnation, cleared: rows, remaining }
  })
}

/** Clears what has come to its end by itself; to be called with the node's row locked. @returns how many there were */
export async function clearOver(client: Queryable, t: Tables, node: string): Promise<number> {
  const { rowCount } = await client.query({
    text: `
      update ${t.suspension} set cleared_at = clock_timestamp(), cleared_by = 'its time'
      where node = $1 and cleared_at is null and until <= clock_timestamp()`,
    values: [node],
  })
  return rowCount ?? 0
}

/** The stack of a node, the oldest reason first. */
export async function openSuspensions(
  client: Queryable,
  t: Tables,
  node: string,
): Promise<Suspension[]> {
  const { rows } = await client.query<Suspension>({
    text: `
      select ${suspensionColumns} from ${t.suspension}
      where node = $1 and cleared_at is null and (until is null or until > clock_timestamp())
      order by id`,
    values: [node],
  })
  return rows
}

/** The latest suspensions of a node, open ones first, then the latest ones that were cleared. */
export async function listSuspensions(
  db: Database,
  node: string,
  limit: number,
): Promise<Suspension[]> {
  const { rows } = await db.query<Suspension>({
    text: `
      select ${suspensionColumns} from ${db.t.suspension}
      where node = $1
      order by cleared_at is not null or coalesce(until <= clock_timestamp(), false), id desc limit $2`,
    values: [node, limit],
  })
  return rows
}

/** The incarnation of the node that is not known to have ended. To be asked with the node's row locked. */
export async function aliveIncarnation(
  client: Queryable,
  t: Tables,
  node: string,
): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>({
    text: `select id from ${t.incarnation} where node = $1 and state = 'alive' order by id desc limit 1`,
    values: [node],
  })
  return rows[0]?.id
}

const suspensionColumns = `
  id, kind, reason, who, at_once as "atOnce", then_exit as "thenExit", since, until, deadline,
  drained_at as "drainedAt", cleared_at as "clearedAt", cleared_by as "clearedBy"`
