import { randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { execa } from 'execa'
import type { Test } from 'tap'
import { openHere, openNew, type Subject, type TestStore } from './open-test-store.ts'
import { allTokens, from, plenty, put, readAll, sha256, signal } from './store-content.ts'
import { testFailures } from './store-failures.ts'
import { childOptions, storeProcess } from './store-process-call.ts'

/** What every store must do, whatever it is made of. */
export function testStore(t: Test, subject: Subject): void {
  const open = (t: Test): Promise<TestStore> => openNew(t, subject)

  t.test('what is written can be read once it is sealed, from every server', async t => {
    const { store, spec } = await open(t)
    const other = openHere(t, spec)
    const token = randomUUID()
    const staging = await store.stage(token)
    const [first, empty] = await Promise.all([
      staging.write(from('first'), plenty, signal),
      staging.write(from(), plenty, signal),
    ])
    t.match(first, { hash: sha256('first'), size: 5 })
    t.match(empty, { hash: sha256(''), size: 0 })
    t.same(await store.objectsOf(token), [], 'nothing is an object before')
    await t.rejects(readAll(store, { token, hash: first.hash }), { code: 'CW_OBJECT_MISSING' })
    t.same(await allTokens(other), [token], 'but the attempt is known')
    await staging.seal(new Set([first.hash, empty.hash]))
    t.equal(String(await readAll(other, { token, hash: first.hash })), 'first')
    t.equal(String(await readAll(other, { token, hash: empty.hash })), '')
    t.same((await other.objectsOf(token)).toSorted(), [first.hash, empty.hash].toSorted())
    t.same(await allTokens(other), [token])
    await staging.seal(new Set([first.hash, empty.hash]))
    t.pass('and may be sealed again, when nobody heard that it was')
  })

  t.test('the same content is kept once, also by writers at the same time', async t => {
    const { store } = await open(t)
    const token = randomUUID()
    const staging = await store.stage(token)
    const content = randomBytes(300_000)
    const written = await Promise.all(
      Array.from({ length: 12 }, () => staging.write(from(content), plenty, signal)),
    )
    written.push(await staging.write(from(content), plenty, signal))
    t.same(new Set(written.map(({ hash }) => hash)), new Set([sha256(content)]))
    await staging.seal(new Set([sha256(content)]))
    t.same(await store.objectsOf(token), [sha256(content)])
    t.ok(content.equals(await readAll(store, { token, hash: sha256(content) })))
  })

  t.test('many files are written at once', async t => {
    const { store } = await open(t)
    const token = randomUUID()
    const staging = await store.stage(token)
    const texts = Array.from({ length: 150 }, (_, index) => `file ${index}`)
    await Promise.all(texts.map(text => staging.write(from(text), plenty, signal)))
    const hashes = texts.map(text => sha256(text))
    await staging.seal(new Set(hashes))
    t.same((await store.objectsOf(token)).toSorted(), hashes.toSorted())
  })

  t.test('sealing drops what is not named', async t => {
    const { store } = await open(t)
    const token = randomUUID()
    const staging = await store.stage(token)
    for (const text of ['kept', 'dropped']) await staging.write(from(text), plenty, signal)
    await staging.seal(new Set([sha256('kept')]))
    t.same(await store.objectsOf(token), [sha256('kept')])
    await t.rejects(readAll(store, { token, hash: sha256('dropped') }), {
      code: 'CW_OBJECT_MISSING',
    })
  })

  t.test('sealing waits for the writes that are under way', async t => {
    const { store } = await open(t)
    const token = randomUUID()
    const staging = await store.stage(token)
    const late = new Readable({ read: () => undefined })
    const writing = staging.write(late, plenty, signal)
    const sealing = staging.seal(new Set([sha256('late')]))
    late.push('late')
    late.push(null)
    await Promise.all([writing, sealing])
    t.same(await store.objectsOf(token), [sha256('late')])
    const after = from('after')
    await t.rejects(staging.write(after, plenty, signal), /sealed or discarded/)
    t.ok(after.destroyed)
  })

  t.test('sealing what is not there is refused, and nothing is readable', async t => {
    const { store } = await open(t)
    const token = randomUUID()
    const staging = await store.stage(token)
    await staging.write(from('there'), plenty, signal)
    await t.rejects(staging.seal(new Set([sha256('there'), sha256('not there')])), {
      code: 'CW_STAGING_GONE',
    })
    t.same(await store.objectsOf(token), [])
    await t.rejects(readAll(store, { token, hash: sha256('there') }), { code: 'CW_OBJECT_MISSING' })
    await staging.discard()
    t.same(await allTokens(store), [])
  })

  t.test('discarding leaves nothing, before and after the seal', async t => {
    const { store } = await open(t)
    for (const isSealed of [false, true]) {
      const token = randomUUID()
      const staging = await store.stage(token)
      const { hash } = await staging.write(from('content'), plenty, signal)
      if (isSealed) await staging.seal(new Set([hash]))
      await staging.discard()
      await staging.discard()
      t.same(await allTokens(store), [])
      await t.rejects(readAll(store, { token, hash }), { code: 'CW_OBJECT_MISSING' })
    }
  })

  t.test('objects are removed one by one, and any number of times', async t => {
    const { store } = await open(t)
    const [one, two] = [randomUUID(), randomUUID()]
    for (const token of [one, two]) await put(store, token, ['a', 'b'])
    const key = { token: one, hash: sha256('a') }
    await Promise.all([store.remove([key]), store.remove([key])])
    await store.remove([key, { token: randomUUID(), hash: sha256('a') }])
    t.same(await store.objectsOf(one), [sha256('b')])
    t.equal(String(await readAll(store, { token: two, hash: sha256('a') })), 'a')
    await store.remove([{ token: one, hash: sha256('b') }])
    t.same(await allTokens(store), [two], 'nothing is left of the attempt then')
    await store.remove([])
  })

  t.test('big content goes through little memory', async t => {
    const { spec } = await open(t)
    const child = execa(
      process.execPath,
      storeProcess(spec, 'copy', randomUUID(), '128'),
      childOptions,
    )
    const { stdout, stderr } = await child
    t.equal(stderr, '')
    const { size, read, grown } = JSON.parse(stdout) as Record<'size' | 'read' | 'grown', number>
    t.equal(size, 128 * 2 ** 20)
    t.equal(read, size)
    t.comment(`grown by ${Math.round(grown / 2 ** 20)} MiB`)
    // What V8 keeps before it collects is as much as 64 MiB, whatever is done.
    t.ok(grown < 96 * 2 ** 20, `grown by ${grown} bytes`)
  })

  t.test('who only reads changes nothing by looking', async t => {
    const spec = await subject.make(t)
    const claim = { id: 'cluster-a', wasUsed: false }
    const store = openHere(t, spec)
    const reader = openHere(t, spec)
    const unknown = { code: 'CW_STORE_UNKNOWN' }
    if (subject.isOwned) await t.rejects(reader.recognise(claim, signal), unknown)
    await store.check(claim, signal)
    for (const wasUsed of [false, true]) await reader.recognise({ ...claim, wasUsed }, signal)
    if (subject.isOwned)
      await t.rejects(reader.recognise({ id: 'cluster-b', wasUsed: false }, signal), {
        ...unknown,
        message: /cluster-a/,
      })
    t.same(await allTokens(store), [])
  })

  if (subject.isOwned)
    t.test('a store belongs to one cluster', async t => {
      const spec = await subject.make(t)
      const store = openHere(t, spec)
      await t.rejects(store.check({ id: 'cluster-a', wasUsed: true }, signal), {
        code: 'CW_STORE_UNKNOWN',
        message: /not mounted/,
      })
      await t.rejects(store.removeAttempt(randomUUID()), { code: 'CW_STORE_UNKNOWN' })
      if (subject.isOwned === 'racy')
        await openHere(t, spec).check({ id: 'cluster-a', wasUsed: false }, signal)
      // Two clusters that take it at the same time: one has it.
      const clusters = ['cluster-a', 'cluster-b']
      const results = await Promise.allSettled(
        clusters.map(id => openHere(t, spec).check({ id, wasUsed: false }, signal)),
      )
      const refused = results.filter(({ status }) => status === 'rejected')
      t.match(refused, [{ reason: { code: 'CW_STORE_UNKNOWN' } }])
      const owner = clusters[results.findIndex(({ status }) => status === 'fulfilled')] ?? ''
      for (const wasUsed of [false, true]) {
        await store.check({ id: owner, wasUsed }, signal)
        await t.rejects(openHere(t, spec).check({ id: 'cluster-c', wasUsed }, signal), {
          code: 'CW_STORE_UNKNOWN',
          message: new RegExp(owner),
        })
      }
      t.same(await allTokens(store), [], 'looking leaves nothing')
    })

  testFailures(t, subject)
}
