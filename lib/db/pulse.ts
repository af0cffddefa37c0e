import type { Queryable } from './database.ts'
import { heldLocks, keys } from './locks.ts'
import { crewOf, dutyOf, type Crew, type Duty } from './standby.ts'
import type { Tables } from './tables.ts'

export interface PulseQuestion {
  readonly incarnation: string
  /** The lanes in which to look for work; none to leave the queue and the schedule alone. */
  readonly lanes: readonly number[] | undefined
  /** Whether to tell of the other incarnations, and of the crew. */
  readonly isWatching: boolean
  /** Whether the server is a standby: others have no duty. */
  readonly isStandby: boolean
  /** The beat of this pulse, an integer of up to 31 bits, and the one before on the same session. */
  readonly beat: number
  readonly last: number | undefined
}

export interface Pulse {
  /** False when the incarnation was declared lost, or has left. */
  readonly isAlive: boolean
  /** The runs of this incarnation that somebody has asked to cancel. */
  readonly cancels: readonly string[]
  /** Whether there are orders to this server that it has not carried out, or anything suspends it but standing by. */
  readonly hasOrders: boolean
  /** Whether a request waits in one of the lanes; null when not asked. */
  readonly isQueued: boolean | null
  /** The milliseconds until the next scheduled request is due; null without one. */
  readonly dueInMs: number | null
  /** Null when not asked. */
  readonly others: readonly OtherIncarnation[] | null
  /** What this server has to do as a standby. */
  readonly duty: Duty | null
  /** Null when not asked. */
  readonly crew: Crew | null
}

/** Another incarnation that should be alive. */
export interface OtherIncarnation {
  readonly id: string
  readonly node: string
  /** Changes with each of its pulses; null when no session proves it. */
  readonly beat: string | null
  /** How many sessions have proved it so far. */
  readonly sessions: number
  /** How long its silence must last before it may be declared lost. */
  readonly lostAfterMs: number
  /** How long it may go on without proof while the database is away. */
  readonly outageGraceMs: number
}

/**
 * All that a server asks the database for again and again, in one statement that only reads: it waits for no row
 * lock and writes nothing. What the others see of it is an advisory lock, another one with each pulse. It is run on the witness's own session, and its answer proves that the incarnation lives.
 */
export async function pulse(
  session: Queryable,
  t: Tables,
  { incarnation, lanes, isWatching, isStandby, beat, last }: PulseQuestion,
): Promise<Pulse> {
  const parts = { work: lanes !== undefined, duty: isStandby, others: isWatching }
  const { rows } = await session.query<Pulse>({
    // What is not asked for costs nothing: PostgreSQL prepares each part that a statement has.
    name: ['pulse', ...Object.entries(parts).map(([part, isAsked]) => (isAsked ? part : ''))].join(
      '_',
    ),
    text: `
      select
        exists (select from ${t.incarnation} where id = $1 and state = 'alive') as "isAlive",
        to_json(array(
          select id::text from ${t.running} where incarnation = $1 and cancel_requested_at is not null
        )) as cancels,
        exists (
          select from ${t.incarnation} as me join ${t.node} as n on n.id = me.node
          where me.id = $1 and (n.control <> me.control_seen or exists (
            select from ${t.suspension} as s where s.node = me.node and s.cleared_at is null and s.kind <> 'standby'))
        ) as "hasOrders",
        ${lanes ? work(t, '$4') : nothing},
        ${isStandby ? dutyOf(t, '$1') : 'null'} as duty,
        ${isWatching ? crewOf(t) : 'null::json'} as crew,
        ${isWatching ? `(${others(t)})` : 'null::json'} as others,
        pg_try_advisory_lock_shared(${keys(t, 'witness', '$2::integer')}) as beats,
        case when $3::integer is not null
          then pg_advisory_unlock_shared(${keys(t, 'witness', '$3')}) end as ends`,
    values: [incarnation, beat, last ?? null, ...(lanes ? [lanes] : [])],
  })
  return rows[0] as Pulse
}

/** The locks are read once, and not for each incarnation. */
const others = (t: Tables): string => `
          with held as materialized (${heldLocks(t, ['incarnation', 'witness'])}),
          beat as materialized (
            select pid, string_agg(number::text, ' ' order by number) as beats
            from held where kind = 'witness' group by pid
          )
          select coalesce(json_agg(other), '[]') from (
            select i.id::text, i.node,
              case when held.number is not null then coalesce(beat.beats, '') end as beat,
              coalesce(w.sessions, 0) as sessions,
              i.lost_after_ms as "lostAfterMs", i.outage_grace_ms as "outageGraceMs"
            from ${t.incarnation} as i
            left join ${t.witness} as w on w.incarnation = i.id
            left join held on held.kind = 'incarnation' and held.number = i.id
            left join beat on beat.pid = held.pid
            where i.state = 'alive' and i.id <> $1
          ) as other`

const work = (t: Tables, lanes: string): string => `
        exists (
          select from unnest(${lanes}::integer[]) as served (lane)
          where exists (select from ${t.queue} as q where q.lane = served.lane)
        ) as "isQueued",
        (
          select extract(epoch from min(run_at) - clock_timestamp()) * 1000 from ${t.scheduled}
        )::float8 as "dueInMs"`

const nothing = 'null::boolean as "isQueued", null::float8 as "dueInMs"'
