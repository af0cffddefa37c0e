import { once } from 'node:events'
import { rename } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Database } from '../../lib/db/database.ts'
import type { NewestTimeline, TimelineMemory } from '../../lib/db/timeline.ts'
import { isTransient } from '../../lib/db/translate-error.ts'
import { ClusterError } from '../../lib/errors.ts'
import { Replica, startReplication } from '../support/standby.ts'
import { until } from '../support/until.ts'

function open(t: Test, url: string, timelines?: TimelineMemory): Database {
  const db = new Database({
    connectionString: url,
    schema: 'cluster_worker',
    applicationName: 'test',
    maxConnections: 3,
    timelines,
  })
  t.teardown(() => db.close())
  return db
}

/** The folder of the server that answers. */
async function placeOf(db: Database): Promise<string> {
  const { rows } = await db.query<{ place: string }>({
    text: `select current_setting('unix_socket_directories') as place`,
  })
  return rows[0]?.place ?? ''
}

async function failureOf(work: Promise<unknown>): Promise<ClusterError> {
  return work.then(
    () => new ClusterError('CW_OPTION', 'it did not fail'),
    (error: ClusterError) => error,
  )
}

/** What hosts a URL names, by the `host` parameter. */
function withHosts(...hosts: string[]): string {
  return `postgresql://cluster@/postgres?host=${encodeURIComponent(hosts.join(','))}`
}

t.test(
  'the primary is found wherever it stands in the URL, and a promoted one takes over',
  async t => {
    const { primary, standby, url, reversedUrl } = await startReplication(t)
    const [db, reversed] = [open(t, url), open(t, reversedUrl)]
    for (const one of [db, reversed]) {
      t.equal(await placeOf(one), primary.folder)
      const alone = await one.connectAlone()
      t.match(await alone.query('select pg_is_in_recovery() as r'), { rows: [{ r: false }] })
      await alone.end()
    }

    await t.test('hosts that are dead do not matter', async t => {
      const some = open(t, withHosts('/nowhere', standby.folder, '/tmp/no-socket', primary.folder))
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
      const some = open(t, `postgresql://cluster@/postgres?host=${hosts}&port=${port},5432`)
      t.equal(await placeOf(some), primary.folder)
      t.ok(performance.now() - beganAt < 1400, 'it is not waited for until its deadline')
    })

    await t.test('a standby is never used', async t => {
      for (const hosts of [[standby.folder], [standby.folder, '/nowhere']]) {
        const some = open(t, withHosts(...hosts))
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
    const remembering = open(t, url, memory)
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
      for (const order of [url, reversedUrl]) t.equal(await placeOf(open(t, order)), standby.folder)
      await standby.stop('fast')
      for (const one of [db, remembering, open(t, reversedUrl, memory)]) {
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
  const db = open(t, url)
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

t.test('two primaries of one timeline, and strangers, are both refused', async t => {
  const { primary, standby } = await startReplication(t, { synchronous: false })
  const third = await Replica.create(t)
  await third.follow(primary)
  await primary.stop('fast')
  await Promise.all([standby.promote(), third.promote()])
  const two = open(t, withHosts(standby.folder, third.folder))
  await t.rejects(placeOf(two), {
    code: 'CW_NO_PRIMARY',
    message: /both say that they are the primary/,
  })
  const stranger = await Replica.create(t)
  await stranger.start()
  const mixed = open(t, withHosts(stranger.folder, third.folder))
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
  const db = open(t, url)
  let isOver = false
  let places = new Set<string>()
  const strange: unknown[] = []
  const work = async (): Promise<void> => {
    while (!isOver)
      try {
        places.add(await placeOf(db))
        await db.query({ text: 'insert into tick values (1)' })
      } catch (error) {
        if (!isTransient(error)) strange.push(error)
      }
  }
  const working = [work(), work(), work()]
  await until(async () => places.has(primary.folder))
  await primary.stop('immediate')
  await standby.promote()
  await until(async () => places.has(standby.folder))
  isOver = true
  await Promise.all(working)
  t.same(strange, [])
})
