import type { Database } from './database.ts'
import { isHeld } from './locks.ts'

/** A server as the database tells it. */
export interface NodeStatus {
  node: string
  /** `silent`: it should be alive, but its witness session is gone; the others declare it lost soon. */
  state: 'alive' | 'silent' | 'left' | 'lost'
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

/** Every node with its latest incarnation. */
export async function listNodes(db: Database): Promise<NodeStatus[]> {
  const { t } = db
  const { rows } = await db.query<NodeStatus>({
    text: `
      with totals as (
        select i.node,
          count(*) filter (where f.outcome = 'succeeded')::integer as succeeded,
          count(*) filter (where f.outcome = 'failed')::integer as failed,
          count(*) filter (where f.outcome = 'cancelled')::integer as cancelled
        from ${t.finished} as f join ${t.incarnation} as i on i.id = f.incarnation
        group by i.node
      ), busy as (
        select i.node, count(*)::integer as running
        from ${t.running} as r join ${t.incarnation} as i on i.id = r.incarnation
        group by i.node
      )
      select distinct on (i.node) i.node,
        case when i.state = 'alive' and not ${isHeld(t, 'incarnation', 'i.id')} then 'silent' else i.state end as state,
        i.id as incarnation, i.version, i.host, i.pid, i.concurrency,
        coalesce(busy.running, 0) as running,
        coalesce(succeeded + failed + cancelled, 0) + coalesce(busy.running, 0) as claimed,
        coalesce(succeeded, 0) as succeeded, coalesce(failed, 0) as failed,
        coalesce(cancelled, 0) as cancelled,
        i.started_at as "startedAt", i.ended_at as "endedAt"
      from ${t.incarnation} as i
      left join totals using (node)
      left join busy using (node)
      order by i.node, i.id desc`,
  })
  return rows
}
