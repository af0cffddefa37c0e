import t from 'tap'
import { Loop } from '../../lib/base/loop.ts'
import { isTransient } from '../../lib/db/translate-error.ts'
import { openHosts, placeOf } from '../support/hosts.ts'
import { startReplication } from '../support/standby.ts'
import { until } from '../support/until.ts'

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
