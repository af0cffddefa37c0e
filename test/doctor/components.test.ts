import { randomUUID } from 'node:crypto'
import t from 'tap'
import { checkComponents } from '../../lib/db/doctor/check-components.ts'
import { openComponents } from '../component/open-components.ts'
import { found, look } from './look.ts'

t.setTimeout(60_000)

t.test('sources that are not asked, or do not answer', async t => {
  const { db, query, session, componentId } = await openComponents(t)
  found(t, await look(db, checkComponents), [])
  const due = (minutes: number): Promise<unknown> =>
    query(`update $s.version_check set ended_at = now() - ($1 + 3) * interval '1 minute'`, [
      minutes,
    ])
  await query(`update $s.component set created_at = now() - interval '9 minutes'`)
  found(t, await look(db, checkComponents), [])
  await due(20)
  const unchecked = await look(db, checkComponents)
  found(t, unchecked, ['warning components-unchecked'])
  t.match(unchecked[0]?.items, [/^app \(source memory\): due for 2\d min$/])
  const holder = await session()
  await holder.tryLock(db, 'component', String(componentId))
  // Somebody asks it now.
  found(t, await look(db, checkComponents), [])
  await holder.close()

  await due(0)
  const fail = (failures: number): Promise<unknown> =>
    query(`update $s.version_check set failures = $1, error = '{"message": "no route"}'`, [
      failures,
    ])
  await fail(2)
  found(t, await look(db, checkComponents), [])
  await fail(3)
  const failing = await look(db, checkComponents)
  found(t, failing, ['warning checks-failing'])
  t.match(failing[0], {
    items: ['app: 3 times, the last time: no route'],
    command: 'cluster-worker versions check app',
  })
  await query('update $s.component set paused = true')
  // Somebody knows of it.
  found(t, await look(db, checkComponents), [])
})

t.test('imports that fail, wait or hang', async t => {
  const { db, query, session, addVersion } = await openComponents(t, { checkInterval: 'never' })
  const versionId = await addVersion('1')
  found(t, await look(db, checkComponents), [])
  await query(`update $s.wanted_import set next_at = now() - interval '12 minutes'`)
  const unserved = await look(db, checkComponents)
  found(t, unserved, ['warning imports-unserved'])
  t.same(unserved[0]?.items, ['app 1 (source memory): for 12 min'])

  await query(`update $s.wanted_import set next_at = now() + interval '1 hour', failures = 3`)
  await query(
    `insert into $s.import_attempt (token, version_id, node, ended_at, outcome, error)
     values ($1, $2, 'a', now(), 'failed', '{"message": "too large"}')`,
    [randomUUID(), versionId],
  )
  const failing = await look(db, checkComponents)
  found(t, failing, ['warning imports-failing'])
  t.match(failing[0], {
    items: ['app 1: 3 times, the last time: too large'],
    command: 'cluster-worker components log app',
  })

  await query('update $s.wanted_import set failures = 0')
  const begin = (minutes: number): Promise<unknown> =>
    query(
      `with old as (delete from $s.import_attempt)
       insert into $s.import_attempt (token, version_id, node, began_at)
       values ($1, $2, 'a', now() - $3 * interval '1 minute')`,
      [randomUUID(), versionId, minutes],
    )
  const holder = await session()
  await begin(9)
  // The sweep will close it.
  found(t, await look(db, checkComponents), [])
  await query('delete from $s.import_attempt')
  await begin(12)
  const dead = await look(db, checkComponents)
  found(t, dead, ['warning imports-stuck'])
  t.match(dead[0], {
    items: ['app 1 on a, for 12 min'],
    command: 'cluster-worker import app 1 --cancel',
  })
  await holder.tryLock(db, 'version', versionId)
  // It goes on, and may last an hour.
  found(t, await look(db, checkComponents), [])
  await query('delete from $s.import_attempt')
  await begin(75)
  found(t, await look(db, checkComponents), ['warning imports-stuck'])
})
