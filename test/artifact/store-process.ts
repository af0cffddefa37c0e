import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { openTestStore, type TestStoreSpec } from './open-test-store.ts'

/*
 * A server that writes into a store, as a process of its own:
 *   store-process.ts <spec> stall <token>        writes, says the hash, and waits to be killed
 *   store-process.ts <spec> half <token>         begins to write, says so, and waits to be killed
 *   store-process.ts <spec> copy <token> <MiB>   writes, seals, reads, says by how many bytes its memory has grown
 */
const [spec = '', what = '', token = '', mebibytes = '0'] = process.argv.slice(2)
const store = openTestStore(JSON.parse(spec) as TestStoreSpec)
const { signal } = new AbortController()
const plenty = 2 ** 40
const staging = await store.stage(token)
if (what === 'stall') {
  const { hash } = await staging.write(Readable.from([Buffer.from('never sealed')]), 100, signal)
  await say(hash)
  await wait()
}
if (what === 'half') {
  const first = Buffer.alloc(3 * 2 ** 20)
  await staging.write(Readable.from(stall(first)), plenty, signal)
}
if (what === 'copy') {
  await staging.write(Readable.from(produce(16)), plenty, signal)
  const before = process.resourceUsage().maxRSS
  const { hash, size } = await staging.write(
    Readable.from(produce(Number(mebibytes))),
    plenty,
    signal,
  )
  await staging.seal(new Set([hash]))
  let read = 0
  for await (const piece of await store.read({ token, hash }, signal))
    read += (piece as Buffer).length
  const grown = (process.resourceUsage().maxRSS - before) * 1024
  await say(JSON.stringify({ size, read, grown }))
  await store.close()
}

/** Pieces as a socket delivers them. */
function* produce(size: number): Generator<Buffer> {
  const bytes = randomBytes(2 ** 16)
  for (let index = 0; index < size * 16; index++) {
    bytes.writeUInt32LE(index)
    yield Buffer.from(bytes)
  }
}

async function* stall(first: Buffer): AsyncGenerator<Buffer> {
  yield first
  await say('begun')
  await wait()
}

function say(text: string): Promise<void> {
  return new Promise(resolve => process.stdout.write(`${text}\n`, () => resolve()))
}

async function wait(): Promise<never> {
  setInterval(() => undefined, 60_000)
  return new Promise(() => undefined)
}
