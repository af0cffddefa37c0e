import { randomUUID } from 'node:crypto'
import t from 'tap'
import { listFiles } from '../../lib/db/component/files.ts'
import { beginAttempt, findDueImports } from '../../lib/db/component/imports.ts'
import { recordDeployment } from '../../lib/db/component/inventory.ts'
import { removeSome } from '../../lib/db/component/removal.ts'
import { publish } from '../../lib/db/component/publish.ts'
import { removeComponent } from '../../lib/db/component/components.ts'
import { openComponents } from './open-components.ts'
import { publicationOf } from './publication.ts'

t.setTimeout(60_000)

t.test('an incremental version is used with those before it', async t => {
  const { db, session, addVersion } = await openComponents(t)
  const holder = await session()
  const bring = async (name: string, files: Record<string, string>, isIncremental: boolean) => {
    const [token, versionId] = [randomUUID(), await addVersion(name)]
    await beginAttempt(db, holder, { token, versionId, node: 'a' })
    await publish(db, holder, publicationOf(token, versionId, files, { isIncremental }))
    return versionId
  }
  await bring('1', { a: 'a', b: 'b' }, false)
  await bring('2', { b: 'c' }, true)
  const third = await bring('3', { d: 'd' }, true)
  t.strictSame(
    (await listFiles(db, third))?.map(({ path, hash }) => path + hash[0]),
    ['aa', 'bc', 'dd'],
  )
  t.equal(await listFiles(db, '999'), undefined)
})

t.test('incremental versions are imported in the order in which they were found', async t => {
  const { db, query, session, addVersion } = await openComponents(t, { versions: 'incremental' })
  const holder = await session()
  const ids = [await addVersion('1'), await addVersion('2'), await addVersion('3')]
  await query(
    `update $s.wanted_import set next_at = now() + interval '1 minute' where version_id = $1`,
    [ids[0]],
  )
  const wait = await findDueImports(db, ['memory'], 10)
  t.strictSame(wait.due, [], 'the first one has failed, and the others wait for it')
  t.ok(wait.nextInMs !== null && wait.nextInMs > 50_000)
  await query('update $s.wanted_import set next_at = now()')
  for (const [index, versionId] of ids.entries()) {
    const { due } = await findDueImports(db, ['memory'], 10)
    t.strictSame(
      due.map(({ id }) => id),
      [versionId],
    )
    const token = randomUUID()
    await beginAttempt(db, holder, { token, versionId, node: 'a' })
    const files = { [`file ${index}`]: 'a' }
    await publish(db, holder, publicationOf(token, versionId, files, { isIncremental: true }))
  }
  t.equal((await listFiles(db, ids[2]!))?.length, 3)
  // One in the middle that comes later builds on what was found before it, and not on what was found after it.
  await query('delete from $s.publication where version_id = $1', [ids[2]])
  await query('delete from $s.publication where version_id = $1', [ids[1]])
  for (const index of [2, 1]) {
    const [token, versionId] = [randomUUID(), ids[index]!]
    await query('insert into $s.wanted_import (version_id) values ($1)', [versionId])
    await beginAttempt(db, holder, { token, versionId, node: 'a' })
    const files = { [`file ${index}`]: 'a' }
    await publish(db, holder, publicationOf(token, versionId, files, { isIncremental: true }))
  }
  t.equal((await listFiles(db, ids[1]!))?.length, 2)
})

t.test('a component is removed with versions that build on each other', async t => {
  const { db, query, session, addVersion, componentId } = await openComponents(t)
  const holder = await session()
  for (const name of ['1', '2', '3']) {
    const [token, versionId] = [randomUUID(), await addVersion(name)]
    await beginAttempt(db, holder, { token, versionId, node: 'a' })
    await publish(db, holder, publicationOf(token, versionId, { x: 'a' }, { isIncremental: true }))
    await recordDeployment(db, { target: 'web', componentId, version: name, by: null })
  }
  t.equal(await removeComponent(db, 'app'), true)
  while ((await removeSome(db, 1)) > 0);
  for (const table of ['version', 'publication', 'inventory'])
    t.strictSame(await query(`select from $s.${table}`), [])
})
