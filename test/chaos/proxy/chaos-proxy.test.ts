import { Client } from 'pg'
import t, { type Test } from 'tap'
import { addressOf, withAddress } from '../../support/protocol.ts'
import { createDatabase } from '../../support/database.ts'
import { until } from '../../support/until.ts'
import { ChaosProxy } from './chaos-proxy.ts'
import type { Boundary, Cut } from './weather.ts'

async function startProxy(test: Test) {
  const database = await createDatabase(test)
  const fired: Cut[] = []
  const proxy = await ChaosProxy.start([() => addressOf(database.url)], cut => fired.push(cut))
  test.teardown(() => proxy.close())
  const connect = async (): Promise<Client> => {
    const client = new Client({
      connectionString: withAddress(database.url, '127.0.0.1', ...proxy.ports),
    })
    client.on('error', () => undefined)
    test.teardown(() => client.end().catch(() => undefined))
    await client.connect()
    return client
  }
  await database.pool.query('create table note (text text)')
  const notes = async (): Promise<number> =>
    (await database.pool.query('select from note')).rowCount ?? 0
  return { proxy, fired, connect, notes }
}

const broken = /terminated|ECONNRESET/

for (const boundary of ['before', 'at completion', 'when ready'] satisfies Boundary[])
  for (const reset of [false, true])
    t.test(`a cut ${boundary}${reset ? ', with a reset' : ''}`, async t => {
      const { proxy, fired, connect, notes } = await startProxy(t)
      const client = await connect()
      const cut = { text: 'insert_note', boundary, reset }
      proxy.cut(cut)
      await client.query('select 1')
      const insert = { name: 'insert_note', text: 'insert into note values ($1)', values: ['a'] }
      await t.rejects(client.query(insert), { message: broken })
      t.strictSame(fired, [cut])
      const done = boundary === 'before' ? 0 : 1
      await until(async () => (await notes()) === done)
      await (await connect()).query(insert)
      t.equal(await notes(), done + 1, 'only one connection is cut')
    })

t.test('a statement that was prepared before is found by its name', async t => {
  const { proxy, connect, notes } = await startProxy(t)
  const client = await connect()
  const insert = { name: 'insert_note', text: 'insert into note values ($1)', values: ['a'] }
  await client.query(insert)
  proxy.cut({ text: 'insert_note', boundary: 'before', reset: false })
  await t.rejects(client.query(insert), { message: broken })
  t.equal(await notes(), 1)
})

t.test('a cut that finds nothing can be taken back', async t => {
  const { proxy, connect } = await startProxy(t)
  const cut: Cut = { text: 'select', boundary: 'before', reset: false }
  proxy.cut(cut)
  t.equal(proxy.disarm(cut), true)
  t.equal(proxy.disarm(cut), false)
  await (await connect()).query('select 1')
})

t.test('a stalled network holds back everything, and loses nothing', async t => {
  const { proxy, connect, notes } = await startProxy(t)
  const client = await connect()
  proxy.setWeather({ isStalled: true })
  let answered = false
  const inserted = client.query("insert into note values ('a')").then(() => (answered = true))
  const connecting = connect().then(() => (answered = true))
  for (let look = 0; look < 20; look++) t.equal(await notes(), 0)
  t.equal(answered, false)
  proxy.setWeather({ isStalled: false })
  await Promise.all([inserted, connecting])
  t.equal(await notes(), 1)
})

t.test('bytes that come late and one by one keep their order', async t => {
  const { proxy, connect } = await startProxy(t)
  const client = await connect()
  proxy.setWeather({ delayMs: 5, sliceBytes: 1 })
  const answers = await Promise.all(
    ['a', 'b', 'c'].map(text => client.query<{ text: string }>('select $1 as text', [text])),
  )
  t.strictSame(
    answers.map(({ rows }) => rows[0]?.text),
    ['a', 'b', 'c'],
  )
})

t.test('a database that is away is said to be away', async t => {
  const proxy = await ChaosProxy.start(
    [() => ({ path: '/nowhere/.s.PGSQL.5432' })],
    () => undefined,
  )
  t.teardown(() => proxy.close())
  const client = new Client({
    connectionString: `postgresql://nobody@127.0.0.1:${proxy.ports[0]}/none`,
  })
  await t.rejects(client.connect(), { code: '57P03' })
})
