import { randomUUID } from 'node:crypto'
import t from 'tap'
import { readComponent } from '../../lib/artifact/component.ts'
import {
  applyComponent,
  findComponent,
  listComponents,
  removeComponent,
} from '../../lib/db/component/components.ts'
import { listFiles } from '../../lib/db/component/files.ts'
import { beginAttempt, failAttempt, noteProgress } from '../../lib/db/component/imports.ts'
import { listInventory, recordDeployment } from '../../lib/db/component/inventory.ts'
import { keepComponent, publish } from '../../lib/db/component/publish.ts'
import { removeSome } from '../../lib/db/component/removal.ts'
import { expireVersions } from '../../lib/db/component/retention.ts'
import { setStatus } from '../../lib/db/component/statuses.ts'
import { closeDeadAttempts, findUnswept, markSwept } from '../../lib/db/component/sweep.ts'
import { recordUse } from '../../lib/db/component/use.ts'
import { wantImport } from '../../lib/db/component/versions.ts'
import { untilBlocked } from '../support/until.ts'
import { openComponents } from './open-components.ts'
import { publicationOf } from './publication.ts'

t.setTimeout(60_000)

type Opened = Awaited<ReturnType<typeof openComponents>>

/** Publishes a version with so many files. */
async function bring(opened: Opened, versionId: string, files: number, more = {}): Promise<void> {
  const holder = await opened.session()
  const token = randomUUID()
  await beginAttempt(opened.db, holder, { token, versionId, node: 'a' })
  const names = Array.from({ length: files }, (_, index) => [`f${index}`, index % 2 ? 'a' : 'b'])
  await publish(opened.db, holder, {
    ...publicationOf(token, versionId, Object.fromEntries(names)),
    ...more,
  })
  await holder.close()
}

async function countAll({ query }: Opened): Promise<Record<string, number>> {
  const [counts] = await query(
    ['component', 'version', 'publication', 'version_file', 'inventory', 'version_use']
      .concat(['version_status', 'import_attempt', 'wanted_import', 'removed_publication'])
      .map(table => `(select count(*)::integer from $s.${table}) as ${table}`)
      .join(', ')
      .replace(/^/, 'select '),
  )
  return counts
}

t.test('what a removed component had goes in groups, and its name is free at once', async t => {
  const opened = await openComponents(t)
  const { db, addVersion, componentId } = opened
  for (const name of ['1', '2', '3']) {
    const id = await addVersion(name)
    await bring(opened, id, 10, { isIncremental: true })
    await recordDeployment(db, { target: name, componentId, version: name, by: null })
    await setStatus(db, { componentId, version: name, status: 'ok', by: 'ada', isSet: true })
    await recordUse(db, { requestId: name, componentId, spec: 'x', versionId: id })
  }
  await addVersion('4')
  t.equal(await removeSome(db, 4), 0, 'nothing is removed that somebody has')
  t.equal(await removeComponent(db, 'app'), true)
  t.equal(await removeComponent(db, 'app'), false)
  t.equal(await findComponent(db, 'app'), undefined)
  t.strictSame(await listComponents(db), [])
  t.strictSame(await listInventory(db, { history: true, limit: 10 }), [])
  const definition = readComponent({ name: 'app', source: { type: 'memory' } })
  t.ok(await applyComponent(db, { name: 'app', sourceType: 'memory', definition }), 'a new one')

  // Whoever begins is interrupted; others go on, several at once.
  for (let group = 0; group < 3; group++) t.ok((await removeSome(db, 4)) <= 4)
  t.equal((await findComponent(db, 'app'))?.name, 'app')
  let groups = 3
  const goOn = async (): Promise<void> => {
    while ((await removeSome(db, 4)) > 0) groups += 1
  }
  await Promise.all([goOn(), goOn()])
  await goOn()
  t.ok(groups >= 12, `${groups} groups`)
  const { component, ...others } = await countAll(opened)
  t.equal(component, 1)
  t.match((await listComponents(db))[0], { name: 'app', versions: 0 })
  t.strictSame(Object.values(others), Array(9).fill(0))
})

t.test('a version that is given up is gone at once, and its files follow', async t => {
  const opened = await openComponents(t, { keep: { count: 1 } })
  const { db, query, addVersion, componentId } = opened
  const [old, kept] = [await addVersion('1'), await addVersion('2')]
  await bring(opened, old, 10)
  await bring(opened, kept, 3)
  t.equal((await expireVersions(db, 10)).length, 1)
  t.equal(await listFiles(db, old), undefined)
  t.equal(await removeSome(db, 4), 4)
  await wantImport(db, componentId, '1')
  await bring(opened, old, 2)
  t.equal((await listFiles(db, old))?.length, 2, 'of what it had before nothing comes back')
  while ((await removeSome(db, 4)) > 0);
  t.equal((await listFiles(db, old))?.length, 2)
  t.equal((await listFiles(db, kept))?.length, 3)
  t.equal((await query('select from $s.version_file')).length, 5)
})

t.test('an import that is under way ends first, and is swept', async t => {
  const opened = await openComponents(t)
  const { db, query, session, addVersion } = opened
  const versionId = await addVersion('1')
  const [holder, token] = [await session(), randomUUID()]
  await beginAttempt(db, holder, { token, versionId, node: 'a' })
  t.equal(await noteProgress(db, token, 1, 1), true)
  await removeComponent(db, 'app')
  t.equal(await noteProgress(db, token, 1, 1), false, 'it is told')
  t.equal(await removeSome(db, 10), 0)
  await t.rejects(publish(db, holder, publicationOf(token, versionId, { x: 'a' })), {
    code: 'CW_VERSION_UNKNOWN',
  })
  await failAttempt(db, { token, versionId }, { code: 'CW_SOURCE', message: 'x' }, false)
  t.equal(await removeSome(db, 10), 0)
  t.strictSame(await findUnswept(db, 10), [token])
  await markSwept(db, token)
  while ((await removeSome(db, 10)) > 0);
  t.equal((await query('select from $s.component')).length, 0)
  t.equal(await closeDeadAttempts(db), 0)
})

t.test('a publication that is about to commit comes before the removal', async t => {
  const opened = await openComponents(t)
  const { db, query, session, addVersion } = opened
  const versionId = await addVersion('1')
  const [holder, token] = [await session(), randomUUID()]
  await beginAttempt(db, holder, { token, versionId, node: 'a' })
  const stopper = await session()
  await query(`create function pause() returns trigger language plpgsql as $$ begin
    perform pg_advisory_xact_lock(77); return null; end $$`)
  await query(`create constraint trigger pause after insert on $s.publication
    deferrable initially deferred for each row execute function pause()`)
  let publishing: Promise<unknown> | undefined
  let removing: Promise<boolean> | undefined
  await stopper.transaction(async () => {
    await stopper.query({ text: 'select pg_advisory_xact_lock(77)' })
    publishing = publish(db, holder, publicationOf(token, versionId, { x: 'a' }))
    await untilBlocked(db)
    removing = removeComponent(db, 'app')
    await untilBlocked(db, 2)
  })
  t.strictSame(await publishing, [])
  t.equal(await removing, true)
  while ((await removeSome(db, 10)) > 0);
  t.equal((await query('select from $s.publication')).length, 0)
})

t.test('who comes while a component is removed finds it gone', async t => {
  const opened = await openComponents(t)
  const { db, query, session, addVersion } = opened
  const [begun, wanted] = [await addVersion('1'), await addVersion('2')]
  const [holder, other, token] = [await session(), await session(), randomUUID()]
  await beginAttempt(db, holder, { token, versionId: begun, node: 'a' })
  const remover = await session()
  let publishing: Promise<unknown> | undefined
  let beginning: Promise<boolean> | undefined
  await remover.transaction(async () => {
    await remover.query({ text: `update cluster_worker.component set name = null` })
    publishing = publish(db, holder, publicationOf(token, begun, { x: 'a' })).catch(
      (error: unknown) => error,
    )
    await untilBlocked(db)
    beginning = beginAttempt(db, other, { token: randomUUID(), versionId: wanted, node: 'b' })
    await untilBlocked(db, 2)
  })
  t.match(await publishing, { code: 'CW_VERSION_UNKNOWN' })
  t.equal(await beginning, false)
  t.equal((await query('select from $s.publication')).length, 0)
  t.equal(await other.transaction(() => keepComponent(db, other, wanted)), false)
})
