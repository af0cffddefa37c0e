import type { Database } from './database.ts'
import { isHeld } from './locks.ts'
import { readHistory, type NodeHistoryEntry } from './node-history.ts'
import { listSuspensions, type Suspension } from './suspensions.ts'

/** Why a node claims nothing, in short. */
export type SuspensionReason = Pick<
  Suspension,
  'kind' | 'reason' | 'who' | 'since' | 'until' | 'thenExit'
>

/**
 * - `active`: it claims requests
 * - `standby`: it lives, and claims when no other server does
 * - `suspended`: it lives, but claims nothing
 * - `draining`: the same, and it is waited for until nothing runs on it any more
 * - `silent`: it should be alive, but its witness session is gone; the others declare it lost soon
 * - `left`: it was stopped in good order
 * - `lost`: it was declared lost
 * - `retired`: it does not run, and shall not come back
 */
export type NodeState =
  | 'active'
  | 'standby'
  | 'suspended'
  | 'draining'
  | 'silent'
  | 'left'
  | 'lost'
  | 'retired'

/** A server as the database tells it. */
export interface NodeStatus {
  node: string
  state: NodeState
  /** What it was started as. A standby that has taken over is an active standby. */
  role: 'active' | 'standby'
  /** Since when it is in this state. */
  since: Date
  /** Why it claims nothing, or will claim nothing when it starts; the oldest first. */
  reasons: SuspensionReason[]
  incarnation: string
  version: string
  host: string
  pid: number
  /** How many requests it runs at a time at the most. */
  concurrency: number
  running: number
  /** How many requests all its incarnations have claimed, and how those ended. */
  claimed: number
  succeeded: number
  failed: number
  cancelled: number
  startedAt: Date
  endedAt: Date | null
}

/** A server with all that is known about it. */
export interface NodeRecord extends NodeStatus {
  /** The stack: open suspensions, then the latest ones that were cleared. */
  suspensions: Suspension[]
  /** What became of it, the latest first. */
  history: NodeHistoryEntry[]
  /** What it runs now. */
  requests: { id: string; process: string; startedAt: Date }[]
}

/** How many of the latest suspensions and lines of history a record has. */
const longest = { suspensions: 20, history: 50 }

/** Every node with its latest incarnation; only this one when it is given. */
export async function listNodes(db: Database, node?: string): Promise<NodeStatus[]> {
  const { t } = db
  const { rows } = await db.query<NodeStatus>({
    text: `
      with totals as (
        select i.node,
          count(*) filter (where f.outcome = 'succeeded')::integer as succeeded,
          count(*) filter (where f.outcome = 'failed')::integer as failed,
          count(*) filter (where f.outcome = 'cancelled')::integer as cancelled
        from ${t.finished} as f join ${t.incarnation} as i on i.id = f.incarnation
        where $1::text is null or i.node = $1
        group by i.node
      ), busy as (
        select i.node, count(*)::integer as running
        from ${t.running} as r join ${t.incarnation} as i on i.id = r.incarnation
        group by i.node
      ), stack as (
        select node, array_agg(s.kind order by s.id) as kinds,
          bool_or(s.kind = 'drain' and s.drained_at is null) as is_draining,
          json_agg(json_build_object('kind', s.kind, 'reason', s.reason, 'who', s.who,
            'since', s.since, 'until', s.until, 'thenExit', s.then_exit) order by s.id) as reasons
        from ${t.suspension} as s
        where s.cleared_at is null and (s.until is null or s.until > clock_timestamp())
        group by node
      ), latest as (
        select distinct on (i.node) i.* from ${t.incarnation} as i
        where $1::text is null or i.node = $1
        order by i.node, i.id desc
      )
      select i.node,
        case
          when i.state = 'alive' and not ${isHeld(t, 'incarnation', 'i.id')} then 'silent'
          when i.state = 'alive' and stack.is_draining then 'draining'
          when i.state = 'alive' and not i.accepting and stack.kinds = array['standby'] then 'standby'
          when i.state = 'alive' and not i.accepting and stack.kinds is not null then 'suspended'
          when i.state = 'alive' then 'active'
          when n.retired_at is not null then 'retired'
          else i.state
        end as state,
        i.role,
        coalesce(event.at, i.ended_at, i.started_at) as since,
        coalesce(stack.reasons, '[]') as reasons,
        i.id as incarnation, i.version, i.host, i.pid, i.concurrency,
        coalesce(busy.running, 0) as running,
        coalesce(succeeded + failed + cancelled, 0) + coalesce(busy.running, 0) as claimed,
        coalesce(succeeded, 0) as succeeded, coalesce(failed, 0) as failed,
        coalesce(cancelled, 0) as cancelled,
        i.started_at as "startedAt", i.ended_at as "endedAt"
      from latest as i
      join ${t.node} as n on n.id = i.node
      left join totals using (node)
      left join busy using (node)
      left join stack using (node)
      left join lateral (
        select at from ${t.nodeHistory} as h where h.node = i.node order by h.id desc limit 1
      ) as event on true
      order by i.node`,
    values: [node ?? null],
  })
  return rows.map(row => ({ ...row, reasons: row.reasons.map(withDates) }))
}

/** Everything about one node; undefined when it never joined. */
export async function getNode(db: Database, node: string): Promise<NodeRecord | undefined> {
  const [status] = await listNodes(db, node)
  if (!status) return undefined
  const [suspensions, history, requests] = await Promise.all([
    listSuspensions(db, node, longest.suspensions),
    readHistory(db, node, longest.history),
    listRunning(db, node),
  ])
  return { ...status, suspensions, history, requests }
}

async function listRunning(db: Database, node: string): Promise<NodeRecord['requests']> {
  const { t } = db
  const { rows } = await db.query<NodeRecord['requests'][number]>({
    text: `
      select r.id, lane.process, r.started_at as "startedAt"
      from ${t.running} as r
      join ${t.incarnation} as i on i.id = r.incarnation
      join ${t.request} as q on q.id = r.id
      join ${t.lane} as lane on lane.id = q.lane
      where i.node = $1 order by r.started_at, r.id`,
    values: [node],
  })
  return rows
}

/** JSON has no moments. */
function withDates(reason: SuspensionReason): SuspensionReason {
  const { since, until } = reason
  return { ...reason, since: new Date(since), until: until && new Date(until) }
}
