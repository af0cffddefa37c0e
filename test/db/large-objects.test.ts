import { createHash, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Database } from '../../lib/db/database.ts'
import { openLargeObjects } from '../../lib/db/large-objects.ts'
import { createDatabase } from '../support/database.ts'
import { untilBlocked } from '../support/until.ts'

t.test('an append and a sweep wait for each other, and leave no bytes behind', async t => {
  const { objects, pool, connect } = await setUp(t)
  const token = randomUUID()
  const lo = await objects.create(token)
  const writer = await connect()
  // The append of the store, held open before its commit.
  await writer.query('begin')
  await writer.query(
    `with mine as materialized (
       select lo from cluster_worker.stored_object where lo = $1 and hash is null for key share
     ) select lo_put(lo, 0, 'late bytes') from mine`,
    [lo],
  )
  const sweeping = objects.removeAttempt(token)
  await untilBlocked(pool)
  await writer.query('commit')
  await sweeping
  t.equal(await objects.append(lo, 10, Buffer.from('later')), false, 'and then it is gone')
  t.same(await leftovers(pool), { rows: 0, objects: 0, pages: 0 })
})

t.test('a sweep that is not over makes the append wait, and be refused', async t => {
  const { objects, pool, connect } = await setUp(t)
  const token = randomUUID()
  const lo = await objects.create(token)
  const sweeper = await connect()
  await sweeper.query('begin')
  await sweeper.query(
    'with gone as (delete from cluster_worker.stored_object where token = $1 returning lo) select lo_unlink(lo) from gone',
    [token],
  )
  const appending = objects.append(lo, 0, Buffer.from('late'))
  await untilBlocked(pool)
  await sweeper.query('commit')
  t.equal(await appending, false)
  t.same(await leftovers(pool), { rows: 0, objects: 0, pages: 0 })
})

t.test('two writes of the same content that end at once leave one', async t => {
  const { objects, pool, connect } = await setUp(t)
  const token = randomUUID()
  const [one, two] = [await objects.create(token), await objects.create(token)]
  const hash = hashOf('same')
  const other = await connect()
  await other.query('begin')
  await other.query('update cluster_worker.stored_object set hash = $2, size = 4 where lo = $1', [
    one,
    hash,
  ])
  const finishing = objects.finish(two, hash, 4)
  await untilBlocked(pool)
  await other.query('commit')
  t.equal(await finishing, true)
  t.same(await leftovers(pool), { rows: 1, objects: 1, pages: 0 })
  t.equal(await objects.finish(one, hash, 4), true, 'saying it again changes nothing')
})

t.test('a seal waits for a sweep, and seals nothing of what is not whole', async t => {
  const { objects, pool, connect } = await setUp(t)
  const token = randomUUID()
  const hashes = []
  for (const text of ['a', 'b']) {
    const lo = await objects.create(token)
    await objects.append(lo, 0, Buffer.from(text))
    await objects.finish(lo, hashOf(text), 1)
    hashes.push(hashOf(text))
  }
  const sweeper = await connect()
  await sweeper.query('begin')
  await sweeper.query(
    'with gone as (delete from cluster_worker.stored_object where token = $1 and hash = $2 returning lo) select lo_unlink(lo) from gone',
    [token, hashes[0]],
  )
  const sealing = objects.seal(token, hashes)
  await untilBlocked(pool)
  await sweeper.query('commit')
  t.equal(await sealing, false)
  t.same(await objects.hashesOf(token, 'sealed'), [])
})

t.test('several that remove the same, and thousands, get through', async t => {
  const { objects, pool } = await setUp(t)
  const token = randomUUID()
  await pool.query(
    `insert into cluster_worker.stored_object (lo, token, hash)
     select lo_create(0), $1, sha256(n::text::bytea) from generate_series(1, 3000) n`,
    [token],
  )
  await Promise.all([1, 2, 3].map(() => objects.removeAttempt(token)))
  t.same(await leftovers(pool), { rows: 0, objects: 0, pages: 0 })
})

type TestPool = Awaited<ReturnType<typeof createDatabase>>['pool']

async function setUp(t: Test) {
  const database = await createDatabase(t)
  const { url, pool } = database
  const names = { schema: 'cluster_worker', applicationName: 'test', maxConnections: 4 }
  const db = new Database({ connectionString: url, ...names })
  t.teardown(() => db.close())
  return { objects: openLargeObjects(db), pool, connect: () => database.connect() }
}

/** Also the bytes of large objects that are no more. */
async function leftovers(pool: TestPool): Promise<unknown> {
  const { rows } = await pool.query<Record<string, number>>(`
    select (select count(*)::integer from cluster_worker.stored_object) as rows,
      (select count(*)::integer from pg_largeobject_metadata) as objects,
      (select count(*)::integer from pg_largeobject) as pages`)
  return rows[0]
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
