import type { LostRun } from '../base/record.ts'
import { readLostRuns } from './compensations.ts'
import type { Database } from './database.ts'
import { confirmation } from './replication-warning.ts'

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

/**
 * Moves the next requests from `queue` to `running`, in one statement: the function `claim` of the schema
 * (`migrations/016_functions_of_servers.sql`). A claim is a start: a row can be deleted from the queue only once, so no
 * request is started twice.
 *
 * PostgreSQL commits only when its answer is on the way, and a server that does not read holds it up, with all the
 * locks. So the answer is small: large inputs, and what a compensation undoes, are asked for afterwards. When that
 * fails, the claim has happened all the same, and is read back by its token.
 *
 * Who else may touch these rows at the same time:
 * - other claims: they skip what this one has locked, and it skips what they have
 * - cancel: whoever deletes the queue's row first wins; the other finds none
 * - declareLost of this incarnation: the claim share-locks its row before it moves anything, so that either the claim
 *   commits first and the declaration sees its rows, or the claim waits, finds the incarnation lost and takes nothing
 * - suspending its node: the same lock decides, so that after the suspension has committed nothing is taken
 *
 * With several lanes it looks first, without locks, in which of them the next requests are, and locks as many as that in
 * each; so no more rows are locked than are taken, with one lane or with a hundred. The other lanes are reached only
 * when somebody else holds rows of those: a transaction that stays open must not hold up everything.
 *
 * Each lane begins behind a place, in one range of the index: what was deleted before it, and cannot be cleared away as
 * long as somebody's transaction is open, is not walked over.
 *
 * A row is deleted where it was locked, by its place in the table, which does not change: a row of the queue is never updated.
 */
export async function claim(db: Database, options: ClaimOptions): Promise<Claimed[]> {
  const { incarnation, lanes, limit, token, after } = options
  const places = lanes.map(lane => after?.get(lane) ?? beginning)
  const { rows } = await db.query<Claimed>({
    name: `${db.schema}.claim`,
    text: `select id, lane, rank, input from ${db.t.claim}($1, $2, $3, $4, $5, $6)`,
    values: [incarnation, lanes, limit, token, places.map(p => p.rank), places.map(p => p.id)],
  })
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
