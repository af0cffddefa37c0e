import { randomUUID } from 'node:crypto'
import type { Client } from 'pg'
import type { Test } from 'tap'
import { Database } from '../../lib/db/database.ts'
import type { Finish } from '../../lib/db/finish.ts'
import { beginIncarnation, type NodeDescription } from '../../lib/db/incarnations.ts'
import { registerNode } from '../../lib/db/node-identity.ts'
import { isHeld } from '../../lib/db/locks.ts'
import type { StepRecord } from '../../lib/base/record.ts'
import { createDatabase, type TestDatabaseOptions } from './database.ts'

/** A database of a test's own, with all tables, and ways to look into it. */
export interface Rooms {
  db: Database
  url: string
  /** Another session, which ends with the test. */
  connect: () => Promise<Client>
}

/**
 * @param options.connections how many statements may be under way at the same time; defaults to 10
 */
export async function openRooms(
  test: Test,
  { connections = 10, ...options }: TestDatabaseOptions & { connections?: number } = {},
): Promise<Rooms> {
  const database = await createDatabase(test, options)
  const db = openDatabase(test, database.url, { connections })
  return { db, url: database.url, connect: () => database.connect() }
}

/** The application's end of the same installation, or of one behind a proxy. */
export function openDatabase(
  test: Test,
  url: string,
  { connections = 10, schema = 'cluster_worker' }: { connections?: number; schema?: string } = {},
): Database {
  const db = new Database({
    connectionString: url,
    schema,
    applicationName: 'test',
    maxConnections: connections,
  })
  test.teardown(() => db.close())
  return db
}

/** A process that servers have published. @returns its lane */
export async function addLane(db: Database, process: string = 'work'): Promise<number> {
  const { rows } = await db.query<{ id: number }>({
    text: `insert into ${db.t.lane} (process, published) values ($1, true) returning id`,
    values: [process],
  })
  return rows[0]?.id as number
}

/** A server that lives, without a session that proves it. @returns its incarnation */
export async function addServer(db: Database, node: string = randomUUID()): Promise<string> {
  const about = describeNode(node)
  await registerNode(db, about)
  const session = await db.acquire()
  try {
    return await beginIncarnation(session, db.t, about)
  } finally {
    session.release()
  }
}

/** A node as a server describes it, always that of the same data folder. */
export function describeNode(node: string): NodeDescription {
  return {
    node,
    instance: '5ab1e000-0000-4000-8000-000000000000',
    version: '1',
    host: 'here',
    pid: 1,
    concurrency: 10,
    lostAfterMs: 2000,
    outageGraceMs: 10_000,
  }
}

/** The incarnations that should be alive but that no session proves. */
export async function findSilent(db: Database): Promise<{ id: string; node: string }[]> {
  const { rows } = await db.query<{ id: string; node: string }>({
    text: `
      select id, node from ${db.t.incarnation}
      where state = 'alive' and not ${isHeld(db.t, 'incarnation', 'incarnation.id')} order by id`,
  })
  return rows
}

export interface RowsToAdd {
  lane: number
  count?: number
  priority?: number
  input?: unknown
  /** Puts the rows into `scheduled`, this many seconds from now (or before, when it is negative). */
  dueInSeconds?: number
}

/** Requests in `queue` or in `scheduled`. @returns their ids, in order */
export async function addRequests(db: Database, rows: RowsToAdd): Promise<string[]> {
  const { lane, count = 1, priority = 0, input = {}, dueInSeconds } = rows
  const [room, extra] = dueInSeconds === undefined ? [db.t.queue, ''] : [db.t.scheduled, ', run_at']
  const { rows: added } = await db.query<{ id: string }>({
    text: `
      with recorded as (
        insert into ${db.t.request} (id, lane, priority, input, run_at)
        select nextval('${db.schema}.request_id'), $1, $2, $3::jsonb,
          clock_timestamp() + $5::float8 * interval '1 s'
        from generate_series(1, $4)
        returning *
      ), waiting as (
        insert into ${room} (id, lane, priority, input${extra})
        select id, lane, priority, input${extra} from recorded
      )
      select id from recorded order by id`,
    values: [lane, priority, JSON.stringify(input), count, dueInSeconds ?? null],
  })
  return added.map(({ id }) => id)
}

export interface RunningRow {
  id: string
  token: string
}

/** A request that the incarnation has claimed. */
export async function addRun(db: Database, incarnation: string, lane: number): Promise<RunningRow> {
  const [id] = (await addRequests(db, { lane })) as [string]
  const token = randomUUID()
  await db.query({
    text: `
      with gone as (delete from ${db.t.queue} where id = $1)
      insert into ${db.t.running} (id, incarnation, token) values ($1, $2, $3)`,
    values: [id, incarnation, token],
  })
  return { id, token }
}

/** How a run that went well ends. */
export function success({ id, token }: RunningRow): Finish {
  return { id, token, outcome: 'succeeded', reason: null, error: null, result: '{"done":true}' }
}

/** The record of a run's first step. */
export function stepRecord(requestId: string, about: Partial<StepRecord> = {}): StepRecord {
  return {
    requestId,
    phase: 'step',
    position: 0,
    name: 'first',
    kind: 'function',
    state: 'running',
    undoOnce: null,
    startedMs: 1,
    finishedMs: null,
    exitCode: null,
    error: null,
    output: null,
    ...about,
  }
}

/** How many rows each room has, and which id is in which. */
export async function roomsOf(db: Database): Promise<Record<string, string[]>> {
  const rooms: Record<string, string[]> = {}
  for (const room of ['scheduled', 'queue', 'running', 'finished'] as const) {
    const { rows } = await db.query<{ id: string }>({
      text: `select id from ${db.t[room]} order by id`,
    })
    rooms[room] = rows.map(({ id }) => id)
  }
  return rooms
}

/** The outcome, the reason and the incarnation of each finished request. */
export async function outcomes(
  db: Database,
): Promise<{ id: string; outcome: string; reason: string | null; incarnation: string | null }[]> {
  const { rows } = await db.query<{
    id: string
    outcome: string
    reason: string | null
    incarnation: string | null
  }>({ text: `select id, outcome, reason, incarnation from ${db.t.finished} order by id` })
  return rows
}
