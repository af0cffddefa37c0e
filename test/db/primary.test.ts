import { once } from 'node:events'
import { rename } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { NewestTimeline } from '../../lib/base/timeline-memory.ts'
import { isTransient } from '../../lib/db/translate-error.ts'
import { ClusterError } from '../../lib/errors.ts'
import { openHosts, placeOf, withHosts } from '../support/hosts.ts'
import { startReplication } from '../support/standby.ts'

async function failureOf(work: Promise<unknown>): Promise<ClusterError> {
  return work.then(
    () => new ClusterError('CW_OPTION', 'it did not fail'),
    (error: ClusterError) => error,
  )
}

t.test(
  'the primary is found wherever it stands in the URL, and a promoted one takes over',
  async t => {
    const { primary, standby, url, reversedUrl } = await startReplication(t)
    const [db, reversed] = [openHosts(t, url), openHosts(t, reversedUrl)]
    for (const one of [db, reversed]) {
      t.equal(await placeOf(one), primary.folder)
      const alone = await one.connectAlone()
      t.match(await alone.query('select pg_is_in_recovery() as r'), { rows: [{ r: false }] })
      await alone.end()
    }

    await t.test('hosts that are dead do not matter', async t => {
      const some = openHosts(
        t,
        withHosts('/nowhere', standby.folder, '/tmp/no-socket', primary.folder),
      )
      t.equal(await placeOf(some), primary.folder)
    })

    await t.test('a host that is silent does not hold up the search for long', async t => {
      const silent = createServer(() => undefined)
      silent.listen(0, '127.0.0.1')
      await once(silent, 'listening')
      t.teardown(() => void silent.close())
      const address = silent.address()
      const port = typeof address === 'object' && address ? address.port : 0
      const hosts = encodeURIComponent(`127.0.0.1,${primary.folder}`)
      const beganAt = performance.now()
      const some = openHosts(t, `postgresql://cluster@/postgres?host=${hosts}&port=${port},5432`)
      t.equal(await placeOf(some), primary.folder)
      t.ok(performance.now() - beganAt < 1400, 'it is not waited for until its deadline')
    })

    await t.test('a standby is never used', async t => {
      for (const hosts of [[standby.folder], [standby.folder, '/nowhere']]) {
        const some = openHosts(t, withHosts(...hosts))
        const error = await failureOf(some.query({ text: 'select 1' }))
        t.match(error, {
          code: 'CW_NO_PRIMARY',
          message: /is a standby; let the database URL name/,
        })
        t.ok(isTransient(error), 'it may be promoted')
        t.ok(some.isAway(error), 'and nobody can write meanwhile')
        await t.rejects(some.connectAlone(), { code: 'CW_NO_PRIMARY' })
      }
    })

    const kept: NewestTimeline[] = []
    const memory = {
      read: async () => kept.at(-1),
      write: async (n: NewestTimeline) => void kept.push(n),
    }
    const remembering = openHosts(t, url, memory)
    t.equal(await placeOf(remembering), primary.folder)

    await primary.stop('kill')
    const away = await failureOf(db.query({ text: 'select 1' }))
    t.ok(db.isAway(await failureOf(db.query({ text: 'select 1' }))), 'refused here, standby there')
    t.notOk(db.isAway(away) && away.code === 'CW_CONNECTION' && !away.details['hasSearched'])
    await standby.promote()
    for (const one of [db, reversed, remembering]) t.equal(await placeOf(one), standby.folder)
    t.same(
      kept.map(({ timeline }) => timeline),
      [1, 2],
    )

    await t.test('an old primary that comes back is refused', async t => {
      await primary.start()
      for (const order of [url, reversedUrl])
        t.equal(await placeOf(openHosts(t, order)), standby.folder)
      await standby.stop('fast')
      for (const one of [db, remembering, openHosts(t, reversedUrl, memory)]) {
        const error = await failureOf(placeOf(one))
        t.match(error, {
          code: 'CW_NO_PRIMARY',
          message: /is an old primary: it is on timeline 1, but/,
        })
        t.notOk(one.isAway(error), 'what an old primary says is no evidence')
        t.ok(isTransient(error))
      }
      await standby.start()
      t.equal(await placeOf(db), standby.folder)
    })
  },
)

t.test('sessions on an older timeline are closed as soon as a newer one is seen', async t => {
  const { primary, standby, url } = await startReplication(t, { synchronous: false })
  const db = openHosts(t, url)
  const old = await db.connectAlone()
  const ended = new Promise<void>(resolve => old.once('end', resolve))
  await standby.promote()
  // The old primary goes on, but new connections to it fail, so that there is a search.
  await db.close()
  await rename(join(primary.folder, '.s.PGSQL.5432'), join(primary.folder, '.s.PGSQL.5499'))
  t.equal(await placeOf(db), standby.folder)
  await ended
  t.pass('closed')
})
