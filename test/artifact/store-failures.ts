import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { execa } from 'execa'
import type { Test } from 'tap'
import { verifyStore } from '../../lib/artifact/verify-store.ts'
import { ClusterError } from '../../lib/errors.ts'
import { openHere, openNew, type Subject, type TestStore } from './open-test-store.ts'
import { allTokens, from, plenty, put, readAll, sha256, signal } from './store-content.ts'
import { childOptions, storeProcess } from './store-process-call.ts'

/** What every store must do when something goes wrong. */
export function testFailures(t: Test, subject: Subject): void {
  const open = (t: Test): Promise<TestStore> => openNew(t, subject)

  t.test('discarding ends the writes that are under way', async t => {
    const { store } = await open(t)
    const staging = await store.stage(randomUUID())
    const endless = new Readable({ read: () => undefined })
    const writing = staging.write(endless, plenty, signal)
    const refused = t.rejects(writing, /discarded/)
    await staging.discard()
    await refused
    t.ok(endless.destroyed)
    t.same(await allTokens(store), [])
  })

  t.test('an attempt that is aborted in the middle stops, and the next one goes on', async t => {
    const { store } = await open(t)
    const staging = await store.stage(randomUUID())
    const abort = new AbortController()
    const content = Readable.from(aborting(abort))
    await t.rejects(staging.write(content, plenty, abort.signal), /the time is up/)
    t.ok(content.destroyed)
    await t.rejects(staging.write(from('x'), plenty, abort.signal), /the time is up/)
    const { hash } = await staging.write(from('y'), plenty, signal)
    await staging.seal(new Set([hash]))
  })

  t.test('content that fails, or is longer than allowed, is refused', async t => {
    const { store } = await open(t)
    const token = randomUUID()
    const staging = await store.stage(token)
    const failing = Readable.from(breaking())
    await t.rejects(staging.write(failing, plenty, signal), /the line is dead/)
    const long = from(Buffer.alloc(3 * 2 ** 20))
    await t.rejects(staging.write(long, 3 * 2 ** 20 - 1, signal), { code: 'CW_ARTIFACT_REFUSED' })
    t.ok(long.destroyed)
    const { hash } = await staging.write(from('abcde'), 5, signal)
    t.equal(hash, sha256('abcde'), 'just as long as allowed is accepted')
    await staging.seal(new Set([hash]))
    t.same(await store.objectsOf(token), [hash])
  })

  t.test('an attempt is removed while its server still writes', async t => {
    const { store, spec } = await open(t)
    const other = openHere(t, spec)
    const token = randomUUID()
    const staging = await store.stage(token)
    const { hash } = await staging.write(from('before'), plenty, signal)
    await other.removeAttempt(token)
    t.same(await allTokens(other), [])
    await staging.write(from('after'), plenty, signal).catch((error: unknown) => {
      t.match(error, { code: 'CW_STAGING_GONE' })
    })
    await t.rejects(staging.seal(new Set([hash])), { code: 'CW_STAGING_GONE' })
    t.same(await other.objectsOf(token), [])
    await other.removeAttempt(token)
    t.same(await allTokens(other), [])
  })

  for (const what of ['stall', 'half'])
    t.test(`a server that is killed before the seal leaves nothing to read: ${what}`, async t => {
      const { store, spec } = await open(t)
      const token = randomUUID()
      const child = execa(process.execPath, storeProcess(spec, what, token), childOptions)
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const { value: said } = await lines.next()
      if (said === undefined) throw new Error((await child).stderr)
      child.kill('SIGKILL')
      await child
      const hash = what === 'stall' ? said : sha256(Buffer.alloc(3 * 2 ** 20))
      await t.rejects(readAll(store, { token, hash }), { code: 'CW_OBJECT_MISSING' })
      t.same(await store.objectsOf(token), [])
      await store.removeAttempt(token)
      t.same(await allTokens(store), [])
    })

  t.test('a token or a hash never becomes a path', async t => {
    const { store } = await open(t)
    const hash = sha256('x')
    for (const token of [
      '..',
      '../../x',
      '',
      'a/b',
      randomUUID().toUpperCase(),
      `${randomUUID()}/..`,
    ]) {
      await t.rejects(async () => store.stage(token), { code: 'CW_OPTION' })
      await t.rejects(readAll(store, { token, hash }), { code: 'CW_OPTION' })
      await t.rejects(async () => store.objectsOf(token), { code: 'CW_OPTION' })
      await t.rejects(async () => store.removeAttempt(token), { code: 'CW_OPTION' })
      await t.rejects(store.remove([{ token, hash }]), { code: 'CW_OPTION' })
    }
    for (const wrong of ['..', '', 'a'.repeat(63), `${hash.slice(2)}/.`, hash.toUpperCase()]) {
      const key = { token: randomUUID(), hash: wrong }
      await t.rejects(readAll(store, key), { code: 'CW_OPTION' })
      await t.rejects(store.remove([key]), { code: 'CW_OPTION' })
    }
  })

  t.test('a byte that flips is found', async t => {
    const { store, spec } = await open(t)
    const token = randomUUID()
    const text = 'x'.repeat(100_000)
    await put(store, token, [text, 'good'])
    const objects = [text, 'good'].map(one => ({ token, hash: sha256(one), size: one.length }))
    t.match(await verifyStore(store, objects, { signal }), { objects: 2, damaged: [], missing: [] })
    await subject.flip(spec, { token, hash: sha256(text) })
    const report = await verifyStore(store, objects, { signal })
    t.match(report.damaged, [{ token, hash: sha256(text) }])
    t.same(report.missing, [])
  })

  t.test('a read is given up when its signal is aborted', async t => {
    const { store } = await open(t)
    const token = randomUUID()
    await put(store, token, ['x'.repeat(5_000_000)])
    const abort = new AbortController()
    const content = await store.read({ token, hash: sha256('x'.repeat(5_000_000)) }, abort.signal)
    abort.abort()
    await t.rejects(buffer(content), { name: 'AbortError' })
    await t.rejects(store.read({ token, hash: sha256('x') }, abort.signal), { name: 'AbortError' })
  })

  t.test('a store that is not there says so, whatever is asked of it', async t => {
    const { store, spec } = await open(t)
    const token = randomUUID()
    await put(store, token, ['a'])
    const staging = await store.stage(randomUUID())
    await subject.breakOff(spec)
    const gone = { code: 'CW_STORE_UNREACHABLE' }
    await t.rejects(store.check({ id: 'cluster-a', wasUsed: true }, signal), gone)
    await t.rejects(readAll(store, { token, hash: sha256('a') }), gone)
    await t.rejects(allTokens(store), gone)
    await t.rejects(store.objectsOf(token), gone)
    await t.rejects(store.removeAttempt(token), gone)
    await t.rejects(store.remove([{ token, hash: sha256('a') }]), gone)
    const content = from('b')
    await t.rejects(staging.write(content, plenty, signal), ClusterError)
    t.ok(content.destroyed)
    await t.rejects(staging.seal(new Set([sha256('b')])), ClusterError)
    await t.rejects(staging.discard(), gone)
  })
}

async function* breaking(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(2 ** 21)
  throw new Error('the line is dead')
}

/** Its end never comes. */
async function* aborting(abort: AbortController): AsyncGenerator<Buffer> {
  yield Buffer.alloc(2 ** 21)
  setImmediate(() => abort.abort(new Error('the time is up')))
  await new Promise(() => undefined)
}
