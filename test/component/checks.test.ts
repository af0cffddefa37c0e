import t from 'tap'
import {
  askForCheck,
  beginCheck,
  findDueChecks,
  recordCheck,
} from '../../lib/db/component/checks.ts'
import { findDueImports } from '../../lib/db/component/imports.ts'
import { LockSession } from '../../lib/db/lock-session.ts'
import { Database } from '../../lib/db/database.ts'
import { createDatabase } from '../support/database.ts'
import { openComponents } from './open-components.ts'

t.setTimeout(60_000)

t.test('a version that is known takes no number with each check', async t => {
  const { db, query, session, componentId } = await openComponents(t)
  const holder = await session()
  const check = async (...names: string[]): Promise<string[]> => {
    await askForCheck(db, 'app')
    const begun = await beginCheck(db, holder, componentId, 'a')
    if (!begun) throw new Error('it is not to be checked')
    const found = names.map(name => ({ name }))
    return recordCheck(db, holder, begun, found, true)
  }
  t.strictSame(await check('1', '2'), ['1', '2'])
  for (let round = 0; round < 5; round++) t.strictSame(await check('1', '2'), [])
  t.strictSame(await check('1', '2', '3'), ['3'])
  const ids = await query('select id from $s.version order by id')
  t.equal(Number(ids[2].id), Number(ids[1].id) + 1)
})

t.test('a session of locks ends when it is silent, whatever the options of the URL', async t => {
  const { url } = await createDatabase(t)
  const options = `${url.includes('?') ? '&' : '?'}options=${encodeURIComponent('-c statement_timeout=77s')}`
  const db = new Database({
    connectionString: url + options,
    schema: 'cluster_worker',
    applicationName: 'test',
    maxConnections: 1,
  })
  t.teardown(() => db.close())
  const session = await LockSession.open(db, 'test')
  t.teardown(() => session.close())
  const show = async (name: string): Promise<string | undefined> =>
    (await session.query<{ value: string }>({ text: `select current_setting('${name}') as value` }))
      .rows[0]?.value
  t.equal(await show('idle_session_timeout'), '10s')
  t.equal(await show('statement_timeout'), '77s')
})

t.test(
  'to look while nothing is due costs no planning, and tells when something will be',
  async t => {
    const { db, query, session, componentId, addVersion } = await openComponents(t)
    const holder = await session()
    t.match(await findDueChecks(db, ['memory']), { due: [{ name: 'app' }] }, 'it was never checked')
    const begun = await beginCheck(db, holder, componentId, 'a')
    if (!begun) throw new Error('it is not to be checked')
    await recordCheck(db, holder, begun, [], true)
    // The looks that follow are on a new connection.
    await db.close()
    for (let look = 0; look < 7; look++) {
      const { due, nextInMs } = await findDueChecks(db, ['memory'])
      t.strictSame(due, [])
      t.ok(nextInMs && nextInMs > 30_000)
      t.strictSame(await findDueImports(db, ['memory'], 4), { due: [], nextInMs: null })
    }
    const plans = await query(`
    select count(*)::integer as names, sum(generic_plans)::integer as generic, sum(custom_plans)::integer as custom
    from pg_prepared_statements`)
    t.strictSame(plans, [{ names: 2, generic: 14, custom: 0 }])
    await addVersion('1')
    t.match(await findDueImports(db, ['memory'], 4), { due: [{ name: '1' }] })
    await query(`update $s.wanted_import set next_at = now() + interval '50 s'`)
    const later = await findDueImports(db, ['memory'], 4)
    t.strictSame(later.due, [])
    t.ok(later.nextInMs && later.nextInMs > 30_000)
  },
)
