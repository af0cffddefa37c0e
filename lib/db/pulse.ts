import type { Queryable } from './database.ts'
import { keys } from './locks.ts'
import {
  joinOthers,
  othersOf,
  type OtherIncarnation,
  type OthersSeen,
} from './other-incarnations.ts'
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
  const { rows } = await session.query<Answer>({
    // What is not asked for costs nothing: PostgreSQL prepares each part that a statement has.
    name: ['pulse', ...Object.entries(parts).map(([part, isAsked]) => (isAsked ? part : ''))].join(
      '_',
    ),
    text: `
      select
        coalesce(me.state = 'alive', false) as "isAlive",
        to_json(array(
          select id::text from ${t.running} where incarnation = $1 and cancel_requested_at is not null
        )) as cancels,
        coalesce(n.control <> me.control_seen or (
          select true from ${t.suspension} as s
          where s.node = me.node and s.cleared_at is null and s.kind <> 'standby' limit 1), false) as "hasOrders",
        ${lanes ? work(t, '$4') : nothing},
        ${isStandby ? dutyOf(t, '$1') : 'null'} as duty,
        ${isWatching ? crewOf(t) : 'null::json'} as crew,
        ${isWatching ? othersOf(t, '$1') : 'null::json'} as others,
        pg_try_advisory_lock_shared(${keys(t, 'witness', '$2::integer')}) as beats,
        case when $3::integer is not null
          then pg_advisory_unlock_shared(${keys(t, 'witness', '$3')}) end as ends
      from (values (1)) as one
      left join ${t.incarnation} as me on me.id = $1
      left join ${t.node} as n on n.id = me.node`,
    values: [incarnation, beat, last ?? null, ...(lanes ? [lanes] : [])],
  })
  const { others, ...answer } = rows[0] as Answer
  return { ...answer, others: others && joinOthers(others) }
}

type Answer = Omit<Pulse, 'others'> & { readonly others: OthersSeen | null }

const work = (t: Tables, lanes: string): string => `
        exists (
          select from unnest(${lanes}::integer[]) as served (lane)
          where exists (select from ${t.queue} as q where q.lane = served.lane)
        ) as "isQueued",
        (
          select extract(epoch from min(run_at) - clock_timestamp()) * 1000 from ${t.scheduled}
        )::float8 as "dueInMs"`

const nothing = 'null::boolean as "isQueued", null::float8 as "dueInMs"'
