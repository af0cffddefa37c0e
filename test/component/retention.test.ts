import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { recordDeployment } from '../../lib/db/component/inventory.ts'
import { expireVersions, takeRetentionTurn } from '../../lib/db/component/retention.ts'
import { recordUse } from '../../lib/db/component/use.ts'
import { untilBlocked } from '../support/until.ts'
import { openComponents } from './open-components.ts'

t.setTimeout(60_000)

/** Published versions, the first of them the oldest: each one day older than the next. */
async function open(t: Test, definition: object, names: readonly string[]) {
  const opened = await openComponents(t, definition)
  const ids = new Map<string, string>()
  for (const [index, name] of names.entries()) {
    const id = await opened.addVersion(name)
    ids.set(name, id)
    await opened.query(
      `insert into $s.publication (version_id, token, files, bytes, published_at)
       values ($1, $2, 1, 10, now() - $3 * interval '1 day')`,
      [id, randomUUID(), names.length - index],
    )
  }
  const idOf = (name: string): string => ids.get(name) ?? ''
  const left = async (): Promise<string> =>
    (
      await opened.query(
        'select v.name from $s.publication p join $s.version v on v.id = p.version_id order by v.id',
      )
    )
      .map(({ name }) => name)
      .join(' ')
  return { ...opened, idOf, left }
}

const five = ['1', '2', '3', '4', '5']

t.test('versions go by their number and their age', async t => {
  const byCount = await open(t, { keep: { count: 2 } }, five)
  t.match(await expireVersions(byCount.db, 100), [
    { component: 'app', version: '1', bytes: 10 },
    {},
    {},
  ])
  t.equal(await byCount.left(), '4 5')
  t.strictSame(await expireVersions(byCount.db, 100), [])
  const byAge = await open(t, { keep: { age: '84h' } }, five)
  await expireVersions(byAge.db, 100)
  t.equal(await byAge.left(), '3 4 5')
  const all = await open(t, {}, five)
  t.strictSame(await expireVersions(all.db, 100), [])
})

t.test('the newest version stays, however old it is', async t => {
  const { db, left } = await open(t, { keep: { age: '1s' } }, five)
  await expireVersions(db, 100)
  t.equal(await left(), '5')
})

t.test('what is on a target now stays; what was there before goes', async t => {
  const { db, query, left, componentId, addStep } = await open(t, { keep: { count: 1 } }, five)
  for (const version of ['1', '2'])
    await recordDeployment(db, { target: 'web', componentId, version, by: null })
  const by = await addStep()
  for (const _ of ['asked', 'asked again, because the answer was lost'])
    await recordDeployment(db, { target: 'test', componentId, version: '3', by })
  t.equal((await query('select from $s.inventory')).length, 3)
  await expireVersions(db, 100)
  t.equal(await left(), '2 3 5')
})

t.test('what a request uses that has not finished stays', async t => {
  const { db, query, left, componentId, idOf } = await open(t, { keep: { count: 1 } }, five)
  for (const [requestId, version] of [
    ['7', '2'],
    ['8', '3'],
  ] as const)
    await recordUse(db, { requestId, componentId, spec: 'x', versionId: idOf(version) })
  await query(`insert into $s.finished (id, outcome) values (8, 'succeeded')`)
  await expireVersions(db, 100)
  t.equal(await left(), '2 5')
})

t.test('the base of an incremental version that is kept stays', async t => {
  const { db, query, left, idOf } = await open(t, { keep: { count: 1 } }, five)
  await query('update $s.publication set base = $1 where version_id = $2', [idOf('3'), idOf('5')])
  await expireVersions(db, 100)
  t.equal(await left(), '3 5')
})

t.test('a version that a run takes at the same moment stays', async t => {
  const { db, session, left, componentId, idOf } = await open(t, { keep: { count: 1 } }, ['1', '2'])
  const holder = await session()
  await holder.transaction(async () => {
    await holder.query({
      text: 'select from cluster_worker.publication where version_id = $1 for key share',
      values: [idOf('1')],
    })
    t.strictSame(await expireVersions(db, 100), [])
  })
  t.equal(await left(), '1 2')
  t.match(await recordUse(db, { requestId: '9', componentId, spec: 'x', versionId: idOf('1') }), {
    name: '1',
  })
  t.strictSame(await expireVersions(db, 100), [], 'it is in use now')
})

t.test('a run that comes while a version expires is told that it is gone', async t => {
  const { db, session, componentId, idOf } = await open(t, { keep: { count: 1 } }, ['1', '2'])
  const holder = await session()
  let use: Promise<unknown> | undefined
  await holder.transaction(async () => {
    await holder.query({
      text: 'delete from cluster_worker.publication where version_id = $1',
      values: [idOf('1')],
    })
    use = recordUse(db, { requestId: '9', componentId, spec: 'x', versionId: idOf('1') })
    await untilBlocked(db)
  })
  t.equal(await use, undefined)
  const next = { requestId: '9', componentId, spec: 'x', versionId: idOf('2') }
  t.match(await recordUse(db, next), { name: '2' }, 'it may take another one')
})

t.test('versions that stay do not keep others from going', async t => {
  const { db, left, componentId } = await open(t, { keep: { count: 1 } }, five)
  for (const version of ['1', '2'])
    await recordDeployment(db, { target: version, componentId, version, by: null })
  t.match(await expireVersions(db, 2), [{ version: '3' }, { version: '4' }])
  t.equal(await left(), '1 2 5')
  t.strictSame(await expireVersions(db, 2), [])
})

t.test('one server an hour has the turn, in the hours that are set', async t => {
  const { db, query } = await openComponents(t)
  t.strictSame((await Promise.all([takeRetentionTurn(db), takeRetentionTurn(db)])).toSorted(), [
    false,
    true,
  ])
  const anHourLater = `update $s.setting set changed_at = now() - interval '61 minutes' where name = 'retentionTurn'`
  await query(anHourLater)
  t.equal(await takeRetentionTurn(db), true)
  const [{ hour }] = (await query(
    `select extract(hour from now() at time zone 'utc')::integer as hour`,
  )) as [{ hour: number }]
  const inHours = async (from: number, to: number): Promise<boolean> => {
    await query(anHourLater)
    await query(
      `insert into $s.setting (name, value) values ('retentionHours', $1)
       on conflict (name) do update set value = excluded.value`,
      [JSON.stringify({ from: from % 24, to: to % 24 })],
    )
    return takeRetentionTurn(db)
  }
  t.equal(await inHours(hour, hour + 2), true)
  t.equal(await inHours(hour + 2, hour + 4), false)
  t.equal(await inHours(hour + 22, hour + 2), true)
})
