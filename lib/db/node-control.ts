import type { Database } from './database.ts'
import { lockNode } from './lock-node.ts'
import { isHeld } from './locks.ts'
import { writeHistory } from './node-history.ts'
import type { SuspensionKind } from './suspensions.ts'

/** What a server is told to do: its orders, as the database has them now. */
export interface Control {
  /** The number of the last order. */
  control: string
  /** The last order that the server said it has carried out. */
  seen: string
  /** Whether the database lets the server claim. */
  accepting: boolean
  /** The reasons on its stack, the oldest first. */
  suspensions: ControlSuspension[]
}

export interface ControlSuspension {
  id: string
  kind: SuspensionKind
  reason: string
  who: string
  atOnce: boolean
  thenExit: boolean
  /** Milliseconds until it ends by itself, not above zero when it has; null for never. */
  endsInMs: number | null
  /** Milliseconds until what still runs shall be stopped, not above zero when it shall; null for never. */
  deadlineInMs: number | null
  isDrained: boolean
}

/**
 * The orders to a server. Reads only, and takes no locks; undefined for an incarnation that is not there.
 *
 * One statement, so what it says was true at one moment. What is ordered later has a higher number, which the server
 * has not seen then.
 */
export async function readControl(db: Database, incarnation: string): Promise<Control | undefined> {
  const { t } = db
  const { rows } = await db.query<Control>({
    name: `${db.schema}.read_control`,
    text: `
      select n.control, i.control_seen as seen, i.accepting, coalesce(stack.suspensions, '[]') as suspensions
      from ${t.incarnation} as i
      join ${t.node} as n on n.id = i.node
      left join lateral (
        select json_agg(json_build_object(
          'id', s.id::text, 'kind', s.kind, 'reason', s.reason, 'who', s.who,
          'atOnce', s.at_once, 'thenExit', s.then_exit, 'isDrained', s.drained_at is not null,
          'endsInMs', ceil(extract(epoch from s.until - clock_timestamp()) * 1000),
          'deadlineInMs', ceil(extract(epoch from s.deadline - clock_timestamp()) * 1000)
        ) order by s.id) as suspensions
        from ${t.suspension} as s where s.node = i.node and s.cleared_at is null
      ) as stack on true
      where i.id = $1`,
    values: [incarnation],
  })
  return rows[0]
}

/**
 * Says that the server has carried out all orders up to this one. Repeating it changes nothing; an order that is given
 * meanwhile has a higher number.
 */
export async function acknowledgeControl(
  db: Database,
  incarnation: string,
  control: string,
): Promise<void> {
  await db.query({
    text: `
      update ${db.t.incarnation} set control_seen = $2
      where id = $1 and state = 'alive' and control_seen < $2`,
    values: [incarnation, control],
  })
}

/**
 * Says that nothing runs on the node any more. Locks the node's row first, so that a resume comes before (then this
 * changes nothing) or after.
 */
export async function markDrained(
  db: Database,
  { node, incarnation, ids }: { node: string; incarnation: string; ids: readonly string[] },
): Promise<void> {
  const { t } = db
  await db.transaction(async client => {
    await lockNode(client, t, node)
    const { rowCount } = await client.query({
      text: `
        update ${t.suspension} set drained_at = clock_timestamp()
        where id = any ($1::bigint[]) and cleared_at is null and drained_at is null
          and not exists (select from ${t.running} where incarnation = $2)`,
      values: [ids, incarnation],
    })
    if ((rowCount ?? 0) > 0)
      await writeHistory(client, t, { node, incarnation, state: 'drained', who: node })
  })
}

/** How far a node has come with an order. */
export interface Progress {
  /** `silent`: it should be alive, but its witness session is gone. */
  state: 'alive' | 'silent' | 'left' | 'lost'
  seen: string
  running: number
}

/** How far an incarnation has come; undefined when it is not there. */
export async function readProgress(
  db: Database,
  incarnation: string,
): Promise<Progress | undefined> {
  const { t } = db
  const { rows } = await db.query<Progress>({
    text: `
      select case when i.state = 'alive' and not ${isHeld(t, 'incarnation', 'i.id')} then 'silent' else i.state end as state,
        i.control_seen as seen,
        (select count(*)::integer from ${t.running} where incarnation = i.id) as running
      from ${t.incarnation} as i where i.id = $1`,
    values: [incarnation],
  })
  return rows[0]
}

/** Whether a suspension is still open, and whether the node has drained. */
export async function readSuspension(
  db: Database,
  id: string,
): Promise<{ clearedBy: string | null; isDrained: boolean } | undefined> {
  const { rows } = await db.query<{ clearedBy: string | null; isDrained: boolean }>({
    text: `
      select cleared_by as "clearedBy", drained_at is not null as "isDrained"
      from ${db.t.suspension} where id = $1`,
    values: [id],
  })
  return rows[0]
}
