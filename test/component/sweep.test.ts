import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import t from 'tap'
import { DatabaseStore } from '../../lib/artifact/store/database-store.ts'
import { openLargeObjects } from '../../lib/db/large-objects.ts'
import { openStoreSweep } from '../../lib/loop/store-sweep.ts'
import { until } from '../support/until.ts'
import { openComponents } from './open-components.ts'

t.setTimeout(60_000)

t.test('what the database knows nothing of leaves the store, too', async t => {
  const { db, query, addVersion } = await openComponents(t)
  const store = new DatabaseStore(openLargeObjects(db))
  const bring = async (token: string, text: string): Promise<string> => {
    const staging = await store.stage(token)
    await staging.write(Readable.from([text]), 100, AbortSignal.timeout(10_000))
    const hash = createHash('sha256').update(text).digest('hex')
    await staging.seal(new Set([hash]))
    return hash
  }
  // One of a component that was removed meanwhile, and one that is needed.
  const [stray, kept] = [randomUUID(), randomUUID()]
  await bring(stray, 'stray')
  const hash = await bring(kept, 'kept')
  const versionId = await addVersion('1')
  await query(`insert into $s.object (hash, token, size) values (decode($1, 'hex'), $2, 4)`, [
    hash,
    kept,
  ])
  await query(
    `with p as (
       insert into $s.publication (version_id, token, files, bytes) values ($1, $2, 1, 4) returning id
     )
     insert into $s.version_file select id, 'x', decode($3, 'hex'), false, null from p`,
    [versionId, kept, hash],
  )
  const stopping = new AbortController()
  const sweep = openStoreSweep(db, store, {
    mayBegin: () => true,
    signal: stopping.signal,
    onExpired: () => t.fail('nothing expires'),
    onSwept: ({ attempts }) => t.equal(attempts, 1),
    onError: error => t.error(error),
  })
  sweep.start()
  await until(async () => (await query('select from $s.stored_object')).length === 1)
  stopping.abort()
  await sweep.stop()
  t.match(await query('select token from $s.stored_object'), [{ token: kept }])
})
