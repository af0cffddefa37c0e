import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { findTargetVersions } from '../../lib/db/component/inventory.ts'
import { purgeAttempts, purgeInventory } from '../../lib/db/component/purge.ts'
import { openComponents } from './open-components.ts'

t.setTimeout(60_000)

const day = 86_400_000

t.test('attempts go with the retention, but for the last one of each version', async t => {
  const { db, query, addVersion } = await openComponents(t)
  const [one, two] = [await addVersion('1'), await addVersion('2')]
  const add = async (
    version: string,
    { daysAgo, name, outcome = 'failed', swept = true }: Attempt,
  ): Promise<void> => {
    await query(
      `insert into $s.import_attempt (token, version_id, node, began_at, ended_at, outcome, swept)
       values ($1, $2, $3, now() - ($4 + 0.1) * interval '1 day', now() - $4 * interval '1 day', $5, $6)`,
      [randomUUID(), version, name, daysAgo, outcome, swept],
    )
  }
  for (let n = 0; n < 25; n++) await add(one, { daysAgo: 40 + n, name: 'old' })
  await add(one, { daysAgo: 39, name: 'unswept', swept: false })
  await add(one, { daysAgo: 31, name: 'replaced', outcome: 'published' })
  await add(one, { daysAgo: 29, name: 'young' })
  await add(two, { daysAgo: 80, name: 'first', outcome: 'lost' })
  await add(two, { daysAgo: 70, name: 'last', outcome: 'published' })
  const left = async (): Promise<string[]> =>
    (await query('select node from $s.import_attempt order by began_at')).map(row => row.node)
  await purgeAttempts(db, 30 * day, 4)
  t.strictSame(await left(), ['last', 'unswept', 'young'])
  await query('update $s.import_attempt set swept = true')
  await Promise.all([1, 2, 3].map(() => purgeAttempts(db, 30 * day, 4)))
  t.strictSame(await left(), ['last', 'young'])
  await purgeAttempts(db, 0, 1)
  t.strictSame(await left(), ['last', 'young'], 'each is the last of its version')
})

interface Attempt {
  daysAgo: number
  name: string
  outcome?: string
  swept?: boolean
}

/** An inventory, and what is left of it. */
async function open(t: Test) {
  const { db, query, addVersion, componentId } = await openComponents(t)
  const ids = new Map<string, string>()
  for (const name of ['1', '2', '3', '4']) ids.set(name, await addVersion(name))
  const put = async (
    target: string,
    version: string,
    { daysAgo, undone, requestId }: { daysAgo: number; undone?: number; requestId?: number },
  ): Promise<void> => {
    await query(
      `insert into $s.inventory (target, component_id, version_id, request_id, at, undone_at) values
       ($1, $2, $3, $4, now() - $5 * interval '1 day', now() - $6 * interval '1 day')`,
      [target, componentId, ids.get(version), requestId ?? null, daysAgo, undone ?? null],
    )
  }
  const left = async (target: string): Promise<string> =>
    (
      await query(
        `select v.name, i.undone_at from $s.inventory i join $s.version v on v.id = i.version_id
         where target = $1 order by i.id`,
        [target],
      )
    )
      .map(row => (row.undone_at ? `(${row.name})` : row.name))
      .join(' ')
  const there = (target: string) => findTargetVersions(db, target, componentId)
  return { db, query, put, left, there }
}

t.test('the inventory keeps what is there, and what was before, for good', async t => {
  const { db, put, left, there } = await open(t)
  for (const [version, daysAgo] of Object.entries({ 1: 90, 2: 80, 3: 70 }))
    await put('old', version, { daysAgo })
  await put('alone', '1', { daysAgo: 300 })
  for (const [index, version] of ['1', '2', '3', '3', '3'].entries())
    await put('again', version, { daysAgo: 90 - index })
  await purgeInventory(db, 30 * day, 2)
  t.equal(await left('old'), '2 3')
  t.equal(await left('alone'), '1')
  t.equal(await left('again'), '2 3')
  for (const target of ['old', 'again'])
    t.strictSame(await there(target), { current: '3', previous: '2' })
})

t.test('a line counts from when it was replaced or undone', async t => {
  const { db, put, left, there } = await open(t)
  await put('web', '1', { daysAgo: 300 })
  await put('web', '2', { daysAgo: 200 })
  await put('web', '4', { daysAgo: 100, undone: 90 })
  await put('web', '4', { daysAgo: 100, undone: 20 })
  await put('web', '3', { daysAgo: 20 })
  await purgeInventory(db, 30 * day, 2)
  t.equal(await left('web'), '1 2 (4) 3', 'until 20 days ago 2 was there, and 1 before it')
  t.strictSame(await there('web'), { current: '3', previous: '2' })
})

t.test('what a request may take back still replaces nothing', async t => {
  const { db, query, put, left, there } = await open(t)
  for (const [version, daysAgo] of Object.entries({ 1: 90, 2: 80, 3: 70 }))
    await put('web', version, { daysAgo, ...(version === '3' && { requestId: 7 }) })
  await put('web', '4', { daysAgo: 69, undone: 60, requestId: 7 })
  await query(`insert into $s.lane (id, process) overriding system value values (1, 'work')`)
  await query(`insert into $s.request (id, lane, priority, input) values (7, 1, 0, '{}')`)
  await purgeInventory(db, 30 * day, 2)
  t.equal(await left('web'), '1 2 3 (4)')
  await query('delete from $s.request')
  await Promise.all([1, 2].map(() => purgeInventory(db, 30 * day, 2)))
  await purgeInventory(db, 30 * day, 2)
  t.equal(await left('web'), '2 3')
  t.strictSame(await there('web'), { current: '3', previous: '2' })
})
