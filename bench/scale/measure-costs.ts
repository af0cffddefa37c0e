import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type pg from 'pg'
import { claim } from '../../lib/db/claim.ts'
import type { Database, Queryable } from '../../lib/db/database.ts'
import { finish } from '../../lib/db/finish.ts'
import { pulse } from '../../lib/db/pulse.ts'
import { wakeChannel, wakeServers } from '../../lib/db/wake.ts'
import { connect, type Arena, type Place } from '../arena.ts'
import { joinAs, openBareDatabase, type Member } from '../member.ts'
import { processorTime } from '../process-usage.ts'
import { quantile } from '../statistics.ts'
import type { Costs } from './costs.ts'

const turns = 20
const blocks = 9
/** Sessions, for which PostgreSQL has room as it comes. */
const fleet = 80
const listeners = 50
const batch = 500

/** One session, so that its processor time is that of our statements. */
interface Bench extends Member {
  readonly place: Place
  readonly db: Database
}

/**
 * Measures each statement of lib/db on the session that runs it.
 * @throws {Error} when PostgreSQL does not run on this machine, or it is not Linux
 */
export async function measureCosts(arena: Arena): Promise<Costs> {
  return arena.inDatabase('cluster-worker', async place => {
    const db = openBareDatabase(place.url, 1)
    try {
      const bench = { place, db, ...(await joinAs(db, 'self', ['noop'])) }
      const pulses = await measurePulses(bench)
      const hints = await measureHints(bench)
      // Last, because it leaves dead rows, which the others would have to read past.
      return { ...pulses, ...hints, ...(await measureRuns(bench)) }
    } finally {
      await db.close()
    }
  })
}

async function measureRuns({ place, db, incarnation, lanes }: Bench) {
  const { client } = place
  const run = async (limit: number): Promise<number> => {
    const token = randomUUID()
    const claimed = await claim(db, { incarnation, lanes, limit, token })
    const ended = { token, outcome: 'succeeded' as const, reason: null, error: null, result: '{}' }
    if (claimed.length > 0)
      await finish(
        db,
        incarnation,
        claimed.map(({ id }) => ({ id, ...ended })),
      )
    return claimed.length
  }
  const insert = (): Promise<unknown> =>
    db.query({ text: `select cluster_worker.enqueue('noop', '{"n": 1}')` })
  const emptyClaimMs = await costOf(db, [], () => run(1))
  const enqueueMs = await costOf(db, [], insert)
  const singleRunMs = await costOf(db, [], () => run(1))
  const jobs = Array.from({ length: batch }, (_, n) => ({ kind: 'noop', n, priority: 0 }))
  for (let turn = 0; turn < turns * (blocks + 1); turn++) await client.enqueueMany(jobs)
  const batchedRunMs = (await costOf(db, [], () => run(batch))) / batch
  return { emptyClaimMs, enqueueMs, singleRunMs, batchedRunMs }
}

/** With a fleet whose sessions hold the locks that prove them, and planned as the witness has it. */
async function measurePulses({ place, db, incarnation, lanes }: Bench) {
  const session = await connect(place.url)
  const others: pg.Client[] = []
  try {
    await session.query('set plan_cache_mode = force_generic_plan')
    const asked = { incarnation, lanes, isStandby: false, beat: 1, last: 1 }
    const ask = (isWatching: boolean): Promise<number> =>
      costOf(session, [], () => pulse(session, db.t, { ...asked, isWatching }))
    await place.session.query('vacuum (analyze)')
    const pulseMs = await ask(false)
    const watchMs = await ask(true)
    for (let n = 0; n < fleet; n++) others.push(await addMember(place, `n${n}`))
    await place.session.query('vacuum (analyze)')
    const watchPerServerMs = ((await ask(true)) - watchMs) / fleet
    return { pulseMs, watchMs, watchPerServerMs }
  } finally {
    await Promise.all([session, ...others].map(one => one.end()))
  }
}

/** A server that lives, as the others see it. */
async function addMember({ url }: Place, node: string): Promise<pg.Client> {
  const session = await connect(url)
  await session.query(
    `with made as (insert into cluster_worker.node (id) values ($1) returning id),
    begun as (
      insert into cluster_worker.incarnation (node, version, host, pid, concurrency)
      select id, '0', 'scale', 0, 10 from made returning id
    )
    insert into cluster_worker.witness (incarnation) select id from begun`,
    [node],
  )
  await session.query(
    `select pg_advisory_lock('cluster_worker.node'::regclass::integer, n.seq),
      pg_advisory_lock('cluster_worker.incarnation'::regclass::integer, i.id::integer),
      pg_advisory_lock_shared('cluster_worker.witness'::regclass::integer, n.seq)
    from cluster_worker.incarnation as i join cluster_worker.node as n on n.id = i.node where n.id = $1`,
    [node],
  )
  return session
}

async function measureHints({ place, db }: Bench) {
  const hintMs = await costOf(db, [], () => wakeServers(db))
  const sessions: pg.Client[] = []
  try {
    for (let n = 0; n < listeners; n++) {
      const session = await connect(place.url)
      sessions.push(session)
      await session.query(`listen "${wakeChannel(db)}"`)
    }
    const { rows } = await place.session.query<{ pid: number }>(
      `select pid from pg_stat_activity where query like 'listen %'`,
    )
    const pids = rows.map(({ pid }) => pid)
    const all = await costOf(db, pids, async () => {
      const heard = sessions.map(
        session => new Promise(resolve => session.once('notification', resolve)),
      )
      await wakeServers(db)
      await Promise.all(heard)
    })
    const sessionMiB = quantile(
      pids.map(readPrivateMemory).toSorted((a, b) => a - b),
      0.5,
    )
    return { hintMs, hintPerListenerMs: (all - hintMs) / listeners, sessionMiB }
  } finally {
    await Promise.all(sessions.map(session => session.end()))
  }
}

/** The processor time of our session and others for one turn: the median of some blocks, after one that warms up. */
async function costOf(
  db: Queryable,
  others: readonly number[],
  turn: () => Promise<unknown>,
): Promise<number> {
  for (let n = 0; n < turns; n++) await turn()
  const { rows } = await db.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })
  const pids = [...others, ...rows.map(({ pid }) => pid)]
  const costs: number[] = []
  for (let block = 0; block < blocks; block++) {
    const before = processorTime(pids)
    for (let n = 0; n < turns; n++) await turn()
    const after = processorTime(pids)
    if (before === undefined || after === undefined)
      throw new Error(
        'expected PostgreSQL on this machine, and Linux: its processor time cannot be seen',
      )
    costs.push((after - before) / turns)
  }
  return quantile(
    costs.toSorted((a, b) => a - b),
    0.5,
  )
}

/** In MiB, without what sessions share. */
function readPrivateMemory(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const parts = [...text.matchAll(/^Private_\w+:\s+(\d+) kB$/gm)]
  return parts.reduce((sum, [, kibibytes]) => sum + Number(kibibytes) / 1024, 0)
}
