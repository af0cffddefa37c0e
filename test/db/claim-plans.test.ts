import { randomUUID } from 'node:crypto'
import { Pool } from 'pg'
import t from 'tap'
import { claim } from '../../lib/db/claim.ts'
import { Database } from '../../lib/db/database.ts'
import { addLane, addRequests, addServer, openRooms, roomsOf } from '../support/rows.ts'

const switches = [
  'enable_indexscan',
  'enable_indexonlyscan',
  'enable_bitmapscan',
  'enable_seqscan',
  'enable_hashjoin',
  'enable_mergejoin',
  'enable_nestloop',
  'enable_material',
  'enable_memoize',
  'enable_sort',
  'enable_hashagg',
]
const planCacheModes = ['auto', 'force_generic_plan', 'force_custom_plan']

/** Each of the switches off alone, and 200 combinations that are the same in every run. */
function combinations(): { off: string[]; mode: string }[] {
  const alone = switches.map(off => ({ off: [off], mode: 'force_generic_plan' }))
  const next = numbersFrom(20_260)
  const random = Array.from({ length: 200 }, () => ({
    off: switches.filter(() => next() < 0.5),
    mode: planCacheModes[Math.floor(next() * planCacheModes.length)] as string,
  }))
  return [{ off: [], mode: 'auto' }, ...alone, ...random]
}

/** Mulberry32: a number from 0 to 1, the same series for the same seed. */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function setPlanner(session: Pool, off: string[], mode: string): Promise<void> {
  const values = [
    ...switches.map(name => `set ${name} = ${off.includes(name) ? 'off' : 'on'}`),
    `set plan_cache_mode = ${mode}`,
    'discard plans',
  ]
  for (const value of values) await session.query(value)
}

t.test('no plan makes a claim take more than asked, or anything twice', async t => {
  const { db, url } = await openRooms(t)
  const lanes = [await addLane(db, 'a'), await addLane(db, 'b'), await addLane(db, 'c')]
  const server = await addServer(db)
  for (const lane of lanes)
    for (const priority of [0, 1, 2]) await addRequests(db, { lane, priority, count: 400 })
  await db.query({ text: `analyze ${db.t.queue}` })

  // One connection, so that the settings hold for every statement.
  const pool = new Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  t.teardown(() => pool.end())
  const names = { schema: db.schema, applicationName: 'test', maxConnections: 1 }
  const single = new Database({ pool, ...names })

  let expected = await inOrder(db)
  for (const [index, { off, mode }] of combinations().entries()) {
    await setPlanner(pool, off, mode)
    const limit = 1 + (index % 7)
    const claimed = await claim(single, {
      incarnation: server,
      lanes,
      limit,
      token: randomUUID(),
    })
    const ids = claimed.map(({ id }) => id)
    const wanted = expected.slice(0, limit)
    expected = expected.slice(limit)
    if (ids.join() !== wanted.join())
      t.fail(`off: ${off.join(' ') || 'none'}; plan_cache_mode ${mode}`, {
        found: ids,
        wanted,
      })
  }

  const { queue, running } = await roomsOf(db)
  t.equal((queue?.length ?? 0) + (running?.length ?? 0), 3600)
  t.same(new Set(queue), new Set(expected))
})

async function inOrder(db: Database): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    text: `select id from ${db.t.queue} order by priority desc, id`,
  })
  return rows.map(({ id }) => id)
}
