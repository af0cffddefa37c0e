import type { Finding } from '../../base/finding.ts'
import type { DatabaseCheck } from './database-check.ts'
import { isHeld } from '../locks.ts'

interface Waiting {
  process: string
  count: number
  /** The id of the oldest. */
  id: string
  /** How long that one could have run already, in minutes. */
  minutes: number
  /** Whether any server has ever published the process, and whether one that lives was the last to do so. */
  published: boolean
  served: boolean
}

interface Servers {
  alive: number
  free: number
}

/** Requests that wait longer although slots are free are worth a warning, in minutes. */
const longWait = 10

/** Looks for requests that wait for what does not come. */
export const checkQueue: DatabaseCheck = async (session, { t }) => {
  const held = isHeld(t, 'incarnation', 'i.id')
  const { rows: waiting } = await session.query<Waiting>({
    text: `
      with oldest as (
        select lane, count(*)::float8 as count, min(id) as id from ${t.queue} group by lane
      )
      select lane.process, oldest.count, oldest.id, lane.published,
        floor(extract(epoch from clock_timestamp() - greatest(r.enqueued_at, r.run_at)) / 60)::float8 as minutes,
        exists (
          select from ${t.process} as p join ${t.incarnation} as i on i.node = p.published_by
          where p.name = lane.process and i.state = 'alive' and ${held}
        ) as served
      from oldest join ${t.lane} as lane on lane.id = oldest.lane join ${t.request} as r on r.id = oldest.id
      order by oldest.id`,
  })
  if (waiting.length === 0) return []
  const { rows } = await session.query<Servers>({
    text: `
      select count(*)::integer as alive,
        coalesce(sum(greatest(i.concurrency - (select count(*) from ${t.running} as r where r.incarnation = i.id), 0)), 0)::float8 as free
      from ${t.incarnation} as i where i.state = 'alive' and ${held}`,
  })
  return judge(waiting, rows[0] ?? { alive: 0, free: 0 })
}

function judge(waiting: readonly Waiting[], { alive, free }: Servers): Finding[] {
  if (alive === 0)
    return [
      {
        name: 'no-server',
        level: 'warning',
        what: 'Requests wait, and no server is alive.',
        why: 'Nothing runs until one is started.',
        todo: 'Start a server.',
        command: 'cluster-worker start --processes …',
        items: waiting.map(describe),
      },
    ]
  // The last to publish a process may be gone while others that know it live: then its requests do not wait long.
  const unserved = waiting.filter(one => !one.published || (!one.served && one.minutes >= 1))
  const late = waiting.filter(one => !unserved.includes(one) && free > 0 && one.minutes >= longWait)
  const findings: Finding[] = []
  if (unserved.length > 0)
    findings.push({
      name: 'process-unserved',
      level: 'warning',
      what: 'Requests wait for a process that no live server is known to have.',
      why: 'They wait until a server starts that has it.',
      todo: 'Compare the name with what the servers are started with (--processes). Cancel what was a mistake.',
      command: `cluster-worker cancel ${unserved[0]?.id}`,
      items: unserved.map(describe),
    })
  if (late.length > 0)
    findings.push({
      name: 'requests-overdue',
      level: 'warning',
      what: `Requests have waited for ${longWait} minutes or more, though servers have ${free} free slot(s).`,
      why: 'A server that has the process would have claimed them.',
      todo: 'Look whether the servers with free slots have the process, are suspended, or log errors of the claim loop.',
      command: 'cluster-worker nodes',
      items: late.map(describe),
    })
  return findings
}

function describe({ process, count, id, minutes }: Waiting): string {
  return `${process}: ${count} waiting, the oldest is ${id}, for ${minutes} min`
}
