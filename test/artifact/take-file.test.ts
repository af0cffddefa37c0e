import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileContent } from '../../lib/artifact/file-content.ts'
import { PieceMemory } from '../../lib/artifact/piece-memory.ts'
import { takeContent, type Sink } from '../../lib/artifact/take-content.ts'
import { EarlySync } from '../../lib/artifact/store/early-sync.ts'
import { ClusterError } from '../../lib/errors.ts'
import { sha256, signal as never } from './store-content.ts'

const memory = new PieceMemory()
const tooLong = (): ClusterError => new ClusterError('CW_ARTIFACT_REFUSED', 'too long')

async function openContent(t: Test, path: string, flags = 'r') {
  const file = await open(path, flags)
  t.teardown(() => file.close())
  return { file, content: new FileContent(file, (await file.stat()).size) }
}

/** Keeps copies: the memory of a piece is used again. */
function openSink() {
  const kept: Buffer[] = []
  const offsets: number[] = []
  const sink: Sink = async (pieces, offset) => {
    offsets.push(offset)
    await new Promise(setImmediate)
    kept.push(...pieces.map(piece => Buffer.from(piece)))
  }
  return { sink, offsets, taken: () => Buffer.concat(kept) }
}

const full: Sink = () => Promise.reject(new Error('no room'))

t.test('a file is kept as it is, whatever its size, in memory that is used again', async t => {
  const piece = 2 ** 19
  for (const size of [0, 1, piece - 1, piece, piece + 1, 7 * piece + 3]) {
    const bytes = randomBytes(size)
    const path = join(t.testdir(), 'file')
    await writeFile(path, bytes)
    const { content } = await openContent(t, path)
    const { sink, taken } = openSink()
    const stored = await takeContent(content, sink, { limit: size, tooLong, signal: never, memory })
    t.strictSame(stored, { hash: sha256(bytes), size })
    t.ok(taken().equals(bytes))
    t.ok(content.destroyed)
    const stream = await openContent(t, path)
    t.ok(Buffer.concat(await stream.content.toArray()).equals(bytes), 'as a stream, too')
  }
})

t.test('one that is too long, or cannot be kept, is given up', async t => {
  const path = join(t.testdir(), 'file')
  await writeFile(path, randomBytes(2 ** 20))
  const take = async (limit: number, sink: Sink) => {
    const { content } = await openContent(t, path)
    return takeContent(content, sink, { limit, tooLong, signal: never, memory })
  }
  await t.rejects(take(2 ** 20 - 1, openSink().sink), { code: 'CW_ARTIFACT_REFUSED' })
  await t.rejects(take(2 ** 21, full), { message: 'no room' })
})

t.test('after the signal nobody waits for a file that hangs', async t => {
  const pipe = join(t.testdir(), 'pipe')
  execFileSync('mkfifo', [pipe])
  const { file, content } = await openContent(t, pipe, 'r+')
  const stop = new AbortController()
  const { sink } = openSink()
  const taking = takeContent(content, sink, { limit: 10, tooLong, signal: stop.signal, memory })
  setImmediate(() => stop.abort(new Error('enough')))
  await t.rejects(taking, { message: 'enough' })
  // So that the thread that reads ends.
  await file.write('x')
  const early = AbortSignal.abort(new Error('too late'))
  const again = takeContent(content, sink, { limit: 10, tooLong, signal: early, memory })
  await t.rejects(again, { message: 'too late' })
})

t.test(
  'a large file is brought to the disk while it comes, and a failure of that is said',
  async t => {
    const stretch = 2 ** 25
    let syncs = 0
    const good = new EarlySync(async () => void syncs++)
    for (let piece = 0; piece < 6; piece++) await good.wrote(stretch / 2)
    t.equal(syncs, 3)
    await good.end()
    t.equal(syncs, 4, 'and once at the end')
    let isFirst = true
    const bad = new EarlySync(async () => {
      if (!isFirst) return
      isFirst = false
      throw new Error('bad disk')
    })
    await bad.wrote(stretch)
    await t.rejects(bad.end(), { message: 'bad disk' })
  },
)
