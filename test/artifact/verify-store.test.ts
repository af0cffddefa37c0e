import { rm, truncate } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { ClusterError } from '../../lib/errors.ts'
import { verifyStore } from '../../lib/artifact/verify-store.ts'
import { fillStore, lateStore, objectPath } from './late-store.ts'
import { put, sha256, signal } from './store-content.ts'

t.test('what is missing, damaged, too much and unpublished is told', async t => {
  const { store, folder, objects } = await fillStore(t, ['good', 'gone', 'short', 'extra'])
  const [good, gone, short, extra] = objects
  if (!good || !gone || !short || !extra) throw new Error('none')
  await rm(objectPath(folder, gone))
  await truncate(objectPath(folder, short), 3)
  const unpublished = randomUUID()
  await put(store, unpublished, ['import that goes on'])
  const progress: number[] = []
  const report = await verifyStore(store, [good, gone, short], {
    signal,
    onProgress: ({ objects }) => progress.push(objects),
  })
  t.match(report, {
    objects: 3,
    bytes: 13,
    missing: [{ token: gone.token, hash: gone.hash }],
    damaged: [{ hash: short.hash, problem: /it has 3 of its 5 bytes/ }],
    extra: [{ token: extra.token, hash: extra.hash }],
    unpublished: [unpublished],
  })
  t.same(progress, [1, 2, 3])
})

t.test('what only shows late is no finding', async t => {
  const { store, objects } = await fillStore(t, ['one', 'two'])
  const late = lateStore(store, ['nothing', 'a part'])
  const report = await verifyStore(late, objects, { signal, storeDelayMs: 60_000 })
  t.match(report, { objects: 2, missing: [], damaged: [] })
  t.equal(late.reads, 4)
})

t.test('it ends with its signal, and with the store', async t => {
  const { store, folder, objects } = await fillStore(t, ['one', 'two', 'three'])
  const abort = new AbortController()
  const stopping = verifyStore(store, objects, {
    signal: abort.signal,
    concurrency: 1,
    onProgress: () => abort.abort(new Error('enough')),
  })
  await t.rejects(stopping, /enough/)
  await rm(folder, { recursive: true })
  await t.rejects(verifyStore(store, objects, { signal }), { code: 'CW_STORE_UNREACHABLE' })
})

t.test('a place of the disk that cannot be read is damage, and no store that is away', async t => {
  const { store, objects } = await fillStore(t, ['one', 'two'])
  const failing = lateStore(store, [])
  failing.read = async (key, signal) => {
    if (key.hash === sha256('one'))
      throw new ClusterError('CW_STORE_UNREACHABLE', 'i/o error, read')
    return store.read(key, signal)
  }
  const report = await verifyStore(failing, objects, { signal })
  t.match(report, { objects: 2, missing: [] })
  t.match(report.damaged, [{ hash: sha256('one'), problem: /i\/o error/ }])
})
