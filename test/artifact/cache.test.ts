import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Cache } from '../../lib/artifact/cache.ts'
import type { PublishedObject } from '../../lib/artifact/verified-read.ts'
import { makeFolder } from '../support/binary.ts'
import { fillStore, lateStore, type Sight } from './late-store.ts'
import { sha256, signal } from './store-content.ts'

const texts = ['aaaa', 'bbbb', 'cccc']

t.test('a file is read from the store once', async t => {
  const { cache, late, target, objects } = await setUp(t)
  for (const name of ['one', 'two'])
    await cache.materialise(at(objects, 0), target(name), { signal })
  await cache.materialise(at(objects, 1), target('three'), { signal, executable: true })
  t.equal(late.reads, 2)
  t.equal(await readFile(target('two'), 'utf8'), 'aaaa')
  t.equal((await stat(target('two'))).mode & 0o111, 0)
  t.equal((await stat(target('three'))).mode & 0o111, 0o111)
  t.same((await readdir(target('.'))).toSorted(), ['one', 'three', 'two'])
})

t.test('what a run does to its file is not done to the cache', async t => {
  const { cache, late, target, objects } = await setUp(t)
  await cache.materialise(at(objects, 0), target('one'), { signal })
  await writeFile(target('one'), 'changed')
  await cache.materialise(at(objects, 0), target('one'), { signal })
  t.equal(await readFile(target('one'), 'utf8'), 'aaaa', 'and what is at the path is replaced')
  t.equal(late.reads, 1)
})

t.test('runs that need the same file at once share one read', async t => {
  const { cache, late, target, objects } = await setUp(t)
  const names = Array.from({ length: 20 }, (_, index) => `run-${index}`)
  await Promise.all(names.map(name => cache.materialise(at(objects, 0), target(name), { signal })))
  t.equal(late.reads, 1)
  for (const name of names) t.equal(await readFile(target(name), 'utf8'), 'aaaa')
  t.equal(cache.size, 4)
})

t.test('a run that gives up takes nothing from the others', async t => {
  const { cache, target, objects } = await setUp(t, { sights: ['nothing'] })
  const abort = new AbortController()
  const leaving = cache.materialise(at(objects, 0), target('one'), { signal: abort.signal })
  const staying = cache.materialise(at(objects, 0), target('two'), { signal })
  abort.abort(new Error('cancelled'))
  await t.rejects(leaving, /cancelled/)
  await staying
  t.equal(await readFile(target('two'), 'utf8'), 'aaaa')
  t.same(await readdir(target('.')), ['two'])
})

t.test('those that were used least recently make room, also after a restart', async t => {
  const { cache, late, target, objects, folder, reopen } = await setUp(t, { limitBytes: 8 })
  await cache.materialise(at(objects, 0), target('x'), { signal })
  await cache.materialise(at(objects, 1), target('x'), { signal })
  await cache.materialise(at(objects, 0), target('x'), { signal })
  await cache.materialise(at(objects, 2), target('x'), { signal })
  t.equal(late.reads, 3)
  t.same(new Set(await readdir(folder)), new Set([sha256('aaaa'), sha256('cccc')]))
  // The order on the disk is that of use; here it is made unmistakable.
  await utimes(join(folder, sha256('aaaa')), 2000, 2000)
  await utimes(join(folder, sha256('cccc')), 1000, 1000)
  await writeFile(join(folder, `${sha256('bbbb')}.${randomUUID()}.part`), 'half')
  const next = await reopen()
  t.equal(next.size, 8)
  t.equal((await readdir(folder)).length, 2, 'what was unfinished is gone')
  await next.materialise(at(objects, 0), target('x'), { signal })
  t.equal(late.reads, 3)
  await next.materialise(at(objects, 1), target('x'), { signal })
  t.same(new Set(await readdir(folder)), new Set([sha256('aaaa'), sha256('bbbb')]))
})

t.test('a cache that holds more than it may is emptied when it is opened', async t => {
  const { cache, target, objects, folder, reopen } = await setUp(t)
  for (const object of objects) await cache.materialise(object, target('x'), { signal })
  const next = await reopen(5)
  t.equal(next.size, 4)
  t.equal((await readdir(folder)).length, 1)
})

t.test(
  'a file that is in use stays, and one that is larger than the cache goes past it',
  async t => {
    const { cache, target, objects, folder, reopen } = await setUp(t, { limitBytes: 4 })
    await Promise.all(
      objects.map((object, index) => cache.materialise(object, target(`${index}`), { signal })),
    )
    for (const [index, text] of texts.entries())
      t.equal(await readFile(target(`${index}`), 'utf8'), text)
    const small = await reopen(3)
    t.same(await readdir(folder), [])
    await small.materialise(at(objects, 0), target('x'), { signal })
    t.equal(await readFile(target('x'), 'utf8'), 'aaaa')
    t.same(await readdir(folder), [])
  },
)

for (const [how, damage] of [
  ['shorter', (path: string) => truncate(path, 2)],
  ['different', (path: string) => writeFile(path, 'evil')],
  ['gone', (path: string) => rm(path)],
  ['a folder', (path: string) => rm(path).then(() => mkdir(path))],
] as const)
  t.test(`a file of the cache that is ${how} is fetched anew`, async t => {
    const { cache, late, target, objects, folder } = await setUp(t)
    await cache.materialise(at(objects, 0), target('x'), { signal })
    await damage(join(folder, sha256('aaaa')))
    await cache.materialise(at(objects, 0), target('y'), { signal })
    t.equal(await readFile(target('y'), 'utf8'), 'aaaa')
    t.equal(late.reads, 2)
    await cache.materialise(at(objects, 0), target('z'), { signal })
    t.equal(late.reads, 2)
  })

t.test('what fails leaves nothing', async t => {
  const { cache, target, objects, folder } = await setUp(t, { storeDelayMs: 0 })
  const object = { ...at(objects, 0), hash: sha256('never published') }
  await t.rejects(cache.materialise(object, target('x'), { signal }), { code: 'CW_OBJECT_MISSING' })
  t.same(await readdir(folder), [])
  t.same(await readdir(target('.')), [])
  t.equal(cache.size, 0)
  await t.rejects(cache.materialise(at(objects, 0), target('none/x'), { signal }), {
    code: 'CW_DATA_DIR',
  })
  const file = target('file')
  await writeFile(file, '')
  await t.rejects(Cache.open({ ...(await setUp(t)).options, folder: file }), {
    code: 'CW_DATA_DIR',
  })
})

async function setUp(
  t: Test,
  {
    sights = [],
    limitBytes = 100,
    storeDelayMs = 60_000,
  }: { sights?: Sight[]; limitBytes?: number; storeDelayMs?: number } = {},
) {
  const { store, objects } = await fillStore(t, texts)
  const late = lateStore(store, sights)
  const folder = join(await makeFolder(t), 'cache')
  const runs = await makeFolder(t)
  const options = { folder, store: late, limitBytes, storeDelayMs }
  const reopen = (limit = limitBytes): Promise<Cache> =>
    Cache.open({ ...options, limitBytes: limit })
  const target = (name: string): string => join(runs, name)
  return { cache: await reopen(), late, objects, folder, options, reopen, target }
}

function at(objects: readonly PublishedObject[], index: number): PublishedObject {
  const object = objects[index]
  if (!object) throw new Error('none')
  return object
}
