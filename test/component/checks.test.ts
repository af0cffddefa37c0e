import t from 'tap'
import { askForCheck, beginCheck, recordCheck } from '../../lib/db/component/checks.ts'
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
