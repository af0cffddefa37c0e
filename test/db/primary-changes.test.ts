import t from 'tap'
import { Loop } from '../../lib/base/loop.ts'
import { isTransient } from '../../lib/db/translate-error.ts'
import { openHosts, placeOf, withHosts } from '../support/hosts.ts'
import { Replica, startReplication } from '../support/standby.ts'
import { until } from '../support/until.ts'

t.test('two primaries of one timeline, and strangers, are both refused', async t => {
  const { primary, standby } = await startReplication(t, { synchronous: false })
  const third = await Replica.create(t)
  await third.follow(primary)
  await primary.stop('fast')
  await Promise.all([standby.promote(), third.promote()])
  const two = openHosts(t, withHosts(standby.folder, third.folder))
  await t.rejects(placeOf(two), {
    code: 'CW_NO_PRIMARY',
    message: /both say that they are the primary/,
  })
  const stranger = await Replica.create(t)
  await stranger.start()
  const mixed = openHosts(t, withHosts(stranger.folder, third.folder))
  await t.rejects(placeOf(mixed), {
    code: 'CW_NO_PRIMARY',
    message: /nothing to do with each other/,
  })
  const same = open(
    t,
    withHosts(third.folder, `${third.folder}/../${third.folder.split('/').at(-1)}`),
  )
  t.equal(await placeOf(same), third.folder, 'one server under two names is no split')
})

t.test('a pool that works goes on after a promotion', async t => {
  const { primary, standby, url } = await startReplication(t)
  await primary.ask('create table tick (n integer)')
  const db = openHosts(t, url)
  const places = new Set<string>()
  const strange: unknown[] = []
  const workers = ['a', 'b', 'c'].map(
    name =>
      new Loop({
        name,
        pass: async () => {
          places.add(await placeOf(db))
          await db.query({ text: 'insert into tick values (1)' })
          return 1
        },
        onError: error => {
          if (!isTransient(error)) strange.push(error)
        },
      }),
  )
  for (const worker of workers) worker.start()
  await until(async () => places.has(primary.folder))
  await primary.stop('immediate')
  await standby.promote()
  await until(async () => places.has(standby.folder))
  await Promise.all(workers.map(worker => worker.stop()))
  t.same(strange, [])
})
