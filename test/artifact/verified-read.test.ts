import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readVerified, type PublishedObject } from '../../lib/artifact/verified-read.ts'
import { makeFolder } from '../support/binary.ts'
import { fillStore, lateStore, type Sight } from './late-store.ts'
import { signal } from './store-content.ts'

const sights: Sight[] = ['nothing', 'a part', 'something old', 'more']

t.test('a file that shows late is waited for, and never delivered before it is right', async t => {
  const { store, objects } = await fillStore(t, ['the content'])
  const folder = await makeFolder(t)
  const late = lateStore(store, sights)
  await readVerified(late, first(objects), join(folder, 'file'), { signal })
  t.equal(late.reads, 5)
  t.equal(await readFile(join(folder, 'file'), 'utf8'), 'the content')
  t.same(await readdir(folder), ['file'])
  const { mode } = await stat(join(folder, 'file'))
  t.equal(mode & 0o111, 0)
})

for (const sight of sights)
  t.test(`a file that does not get better is refused, and says how: ${sight}`, async t => {
    const { store, objects } = await fillStore(t, ['the content'])
    const folder = await makeFolder(t)
    const late = lateStore(
      store,
      Array.from({ length: 100 }, () => sight),
    )
    const reading = readVerified(late, first(objects), join(folder, 'file'), {
      signal,
      storeDelayMs: 150,
    })
    const message = {
      nothing: /does not have/,
      'a part': /it has 10 of its 11 bytes/,
      'something old': /its SHA-256 is [0-9a-f]{64}/,
      more: /it has more than its 11 bytes/,
    }[sight]
    const code = sight === 'nothing' ? 'CW_OBJECT_MISSING' : 'CW_OBJECT_CORRUPT'
    await t.rejects(reading, { code, message })
    t.ok(late.reads >= 2, 'it looked again')
    t.same(await readdir(folder), [], 'and left nothing')
  })

t.test('a store that cannot be asked is not asked again', async t => {
  const { store, objects } = await fillStore(t, ['x'])
  const late = lateStore(store, [])
  const abort = new AbortController()
  late.read = () => {
    late.reads++
    abort.abort(new Error('the time is up'))
    return store.read(first(objects), abort.signal)
  }
  const folder = await makeFolder(t)
  const options = { signal: abort.signal }
  await t.rejects(readVerified(late, first(objects), join(folder, 'x'), options), /the time is up/)
  t.equal(late.reads, 1)
})

t.test('waiting ends with the signal', async t => {
  const { store, objects } = await fillStore(t, ['x'])
  const abort = new AbortController()
  const late = lateStore(store, ['nothing'])
  const folder = await makeFolder(t)
  const options = { signal: abort.signal, storeDelayMs: 1_000_000 }
  const reading = readVerified(late, first(objects), join(folder, 'x'), options)
  abort.abort()
  await t.rejects(reading, { name: 'AbortError' })
})

t.test('an executable is one, and a folder that is not there is said', async t => {
  const { store, objects } = await fillStore(t, ['#!/bin/sh'])
  const folder = await makeFolder(t)
  await readVerified(store, first(objects), join(folder, 'run'), { signal, executable: true })
  const { mode } = await stat(join(folder, 'run'))
  t.equal(mode & 0o100, 0o100)
  const nowhere = join(folder, 'none', 'run')
  await t.rejects(readVerified(store, first(objects), nowhere, { signal }), { code: 'CW_DATA_DIR' })
})

function first(objects: readonly PublishedObject[]): PublishedObject {
  const [object] = objects
  if (!object) throw new Error('none')
  return object
}
