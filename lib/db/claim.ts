import type { LostRun } from '../base/record.ts'
import { readLostRuns } from './compensations.ts'
import type { Database } from './database.ts'
import { confirmation } from './replication-warning.ts'
import type { Tables } from './tables.ts'

/** A request that this server has claimed and must now run. */
export interface Claimed {
  readonly id: string
  readonly lane: number
  /** Its place in its lane: lower ranks go first, then lower ids. The priority, turned round. */
  readonly rank: number
  readonly input: unknown
  /** What this request undoes; only a compensation has it. */
  readonly lost?: LostRun
}

export interface ClaimOptions {
  incarnation: string
  /** The lanes of the processes that this server knows. */
  lanes: readonly number[]
  /** How many requests the server has free slots for. */
  limit: number
  /** Behind which request of a lane the claim begins; at the beginning of all others. */
  after?: ReadonlyMap<number, ClaimPlace>
  /** Made anew for each claim, before it is sent: with it the outcome can be read back when the answer is lost. */
  token: string
}

/** Where a request stands in its lane. */
export interface ClaimPlace {
  readonly rank: number
  readonly id: string
}

/** Before all requests: no priority is so high. */
const beginning: ClaimPlace = { rank: -40_000, id: '0' }

/** Behind all requests. */
const end: ClaimPlace = { rank: 40_000, id: '0' }

/**
 * Moves the next requests from `queue` to `running`, in one statement. A claim is a start: a row can be
 * deleted from the queue only once, so no request is started twice.
 *
 * PostgreSQL commits only when its answer is on the way, and a server that does not read holds it up, with all the
 * locks. So the answer is small: large inputs, and what a compensation undoes, are asked for afterwards. When that
 * fails, the claim has happened all the same, and is read back by its token.
 *
 * Who else may touch these rows at the same time:
 * - other claims: they skip what this one has locked, and it skips what they have
 * - cancel: whoever deletes the queue's row first wins; the other finds none
 * - declareLost of this incarnation: `me` share-locks its row, so that either the claim commits first and
 *   the declaration sees its rows, or the claim waits, finds the incarnation lost and takes nothing
 * - suspending its node: the same lock decides, so that after the suspension has committed nothing is taken
 *
 * With several lanes, `next` looks, without locks, in which of them the next requests are, and `taken` locks as many as
 * that in each; so no more rows are locked than are taken, with one lane or with a hundred. The other lanes are reached
 * only when somebody else holds rows of those: a transaction that stays open must not hold up everything. Each
 * step is a materialized CTE: joined into one, some plans run the limited part more than once and take more than
 * asked.
 *
 * Each lane begins behind a place, in one range of the index: what was deleted before it, and cannot be cleared away as
 * long as somebody's transaction is open, is not walked over.
 *
 * A row is deleted where it was locked, by its place in the table: a join by its key may be planned as a scan of the whole
 * queue. Its place does not change, because a row of the queue is never updated.
 */
export async function claim(db: Database, options: ClaimOptions): Promise<Claimed[]> {
  const { incarnation, lanes, limit, token, after } = options
  const places = lanes.map(lane => after?.get(lane) ?? beginning)
  const values = [incarnation, lanes, limit, token, places.map(p => p.rank), places.map(p => p.id)]
  const { rows } = await db.query<Claimed>(
    lanes.length === 1
      ? { name: `${db.schema}.claim_lane`, text: claimOfLane(db.t), values }
      : {
          name: `${db.schema}.claim`,
          text: claimOfLanes(db.t),
          values: [...values, Math.ceil((2 * limit) / (lanes.length || 1))],
        },
  )
  const incomplete = rows.filter(row => row.input === null).map(row => row.id)
  if (incomplete.length === 0) return rows
  const read = await readRest(db, incomplete)
  return rows.map(({ id, lane, rank, input }) => ({
    id,
    lane,
    rank,
    ...(read.get(id) ?? { input }),
  }))
}

/** With one lane there is nothing to choose. */
function claimOfLane(t: Tables): string {
  return claimText(t, { wanted: 'select *, $3::integer as amount from me, served' })
}

/**
 * `near` looks at a few of each lane, `last` is a place before which there are enough, and so `next` need not look
 * beyond it.
 */
function claimOfLanes(t: Tables): string {
  const some = `
    select -priority::integer as rank, id from ${t.queue}
    where lane = served.lane and (-priority::integer, id) > (served.rank, served.id)`
  const order = 'order by -priority::integer, id'
  const prepared = `
    near as materialized (
      select first.rank, first.id
      from me, served cross join lateral (${some} ${order} limit $7) as first
    ), last as materialized (
      (select rank, id from near order by rank, id offset $3 - 1 limit 1)
      union all
      select ${end.rank}, ${end.id} from me
      order by rank, id limit 1
    ), next as materialized (
      select lane, count(*) as amount
      from (
        select served.lane
        from last, served
        cross join lateral (
          ${some} and (-priority::integer, id) <= (last.rank, last.id) ${order} limit $3
        ) as first
        order by first.rank, first.id limit $3
      ) as first_of_all
      group by lane
    ),`
  const wanted = `
    select lane, rank, id, amount from next join served using (lane)
    union all
    select lane, rank, served.id, $3 from me, served
    where lane not in (select lane from next)`
  return claimText(t, { prepared, wanted })
}

/** @param parts.wanted how many of which lane are locked, and behind which place; `prepared` is what it is made of */
function claimText(
  t: Tables,
  { prepared = '', wanted }: { prepared?: string; wanted: string },
): string {
  return `
    with me as materialized (
      select id as incarnation from ${t.incarnation} where id = $1 and state = 'alive' and accepting for share
    ), served as materialized (
      select * from unnest($2::integer[], $5::integer[], $6::bigint[]) as s (lane, rank, id)
    ), ${prepared}
    taken as materialized (
      select locked.place
      from (${wanted}) as wanted
      cross join lateral (
        select ctid as place from ${t.queue}
        where lane = wanted.lane
          and (-priority::integer, id) > (wanted.rank, wanted.id)
        order by -priority::integer, id limit wanted.amount
        for update skip locked
      ) as locked
      limit $3
    ), claimed as (
      delete from ${t.queue} as q where ctid = any (array(select place from taken))
      returning q.id, q.lane, q.priority, q.input
    ), started as (
      insert into ${t.running} (id, incarnation, token)
      select id, $1, $4 from claimed order by id
    )
    select id, lane, -priority::integer as rank, input from claimed order by rank, id`
}

/** What the queue's narrow rows leave out. Nobody changes it any more. */
async function readRest(
  db: Database,
  ids: readonly string[],
): Promise<Map<string, Pick<Claimed, 'input' | 'lost'>>> {
  if (ids.length === 0) return new Map()
  const { rows } = await db.query<{ id: string; input: unknown; compensates: string | null }>({
    text: `select id, input, compensates from ${db.t.request} where id = any ($1::bigint[])`,
    values: [ids],
  })
  const compensations = rows.filter(row => row.compensates !== null).map(row => row.id)
  const lost = await readLostRuns(db, compensations)
  return new Map(rows.map(({ id, input }) => [id, lost.get(id) ?? { input }]))
}

/**
 * Reads back what a claim took whose answer was lost. What is seen may not have reached the synchronous standby yet, and
 * would be gone after a failover; so this statement's own commit, which comes later, waits for the standby.
 */
export async function readBackClaim(
  db: Database,
  incarnation: string,
  token: string,
): Promise<Claimed[]> {
  const { t } = db
  // A claim that still waits for its standby shows nothing yet: this waits behind it.
  await db.query({ text: `with ${confirmation} select from confirmed` })
  const { rows } = await db.query<{ id: string; lane: number; rank: number }>({
    text: `
      with ${confirmation}
      select id, request.lane, -request.priority::integer as rank
      from ${t.running} join ${t.request} as request using (id), confirmed
      where incarnation = $1 and token = $2
      order by id`,
    values: [incarnation, token],
  })
  const read = await readRest(
    db,
    rows.map(row => row.id),
  )
  return rows.flatMap(({ id, lane, rank }) => {
    const rest = read.get(id)
    return rest ? [{ id, lane, rank, ...rest }] : []
  })
}
