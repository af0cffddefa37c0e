import { closeSync, writeSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { Pipe } from '../../lib/step/pipe-supply.ts'
import { makePipes } from './step-run.ts'

const piece = 64 * 1024

async function openPipe(t: Test): Promise<Pipe> {
  const [pipe, other] = (await makePipes(t).take()) as [Pipe, Pipe]
  other.output.destroy()
  closeSync(other.writeFd)
  return pipe
}

/** Writes a whole piece of one letter, and gives what was read of it. */
async function pass({ output, writeFd }: Pipe, letter: string, bytes = piece): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  output.once('data', resolve)
  writeSync(writeFd, Buffer.alloc(bytes, letter))
  const read = await promise
  t.equal(read.toString(), letter.repeat(bytes))
  return read
}

function end({ output, writeFd }: Pipe): void {
  output.destroy()
  closeSync(writeFd)
}

t.test('what was not given back stays as it is, and what was is used again', async t => {
  const pipe = await openPipe(t)
  const first = await pass(pipe, 'a')
  const second = await pass(pipe, 'b')
  await pass(pipe, 'c')
  t.equal(first.toString(), 'a'.repeat(piece))
  t.equal(second.toString(), 'b'.repeat(piece))
  pipe.output.giveBack(first)
  pipe.output.giveBack(first)
  const memory = [await pass(pipe, 'd'), await pass(pipe, 'e'), await pass(pipe, 'f')]
  t.equal(memory.filter(({ buffer }) => buffer === first.buffer).length, 1, 'once')
  t.equal(second.toString(), 'b'.repeat(piece))
  end(pipe)
})

t.test(
  'the buffers of a pipe that was closed serve the next one, but not those that are still needed',
  async t => {
    const supply = makePipes(t)
    const [pipe, other] = (await supply.take()) as [Pipe, Pipe]
    end(other)
    const kept = await pass(pipe, 'a')
    const given = await pass(pipe, 'b')
    pipe.output.giveBack(given)
    const closed = new Promise(resolve => {
      pipe.output.once('close', resolve)
    })
    end(pipe)
    await closed
    const later = (await supply.take()) as [Pipe, Pipe]
    const memory = [await pass(later[0], 'c'), await pass(later[1], 'd'), await pass(later[0], 'e')]
    t.equal(memory.filter(({ buffer }) => buffer === given.buffer).length, 1)
    t.same(
      memory.map(bytes => bytes.toString('utf8', 0, 1)),
      ['c', 'd', 'e'],
      'each has memory of its own',
    )
    t.equal(kept.toString(), 'a'.repeat(piece))
    for (const one of later) end(one)
  },
)

t.test('a few bytes keep no buffer, and nobody else loses theirs with them', async t => {
  const pipe = await openPipe(t)
  const few = await pass(pipe, 'a', 100)
  const mine = Buffer.from('in the memory that small buffers share')
  for (let count = 0; count < 3; count++) pipe.output.giveBack(few)
  for (const letter of 'bcd') await pass(pipe, letter)
  t.equal(few.toString(), 'a'.repeat(100))
  t.equal(mine.toString(), 'in the memory that small buffers share')
  end(pipe)
})

t.test(
  'small parts fill a buffer together, which is used again when all were given back',
  async t => {
    const pipe = await openPipe(t)
    const parts = []
    for (const letter of 'abc') parts.push(await pass(pipe, letter, 10_000))
    const [{ buffer }] = parts as [Buffer, Buffer, Buffer]
    t.ok(parts.every(part => part.buffer === buffer))
    const other = await pass(pipe, 'd', 20_000)
    t.equal(other.buffer, buffer, 'as long as there is room')
    const next = await pass(pipe, 'e')
    t.not(next.buffer, buffer)
    for (const [index, letter] of ['a', 'b', 'c'].entries())
      t.equal(parts[index]?.toString(), letter.repeat(10_000))
    for (const part of [...parts, parts[0] as Buffer]) pipe.output.giveBack(part)
    t.not((await pass(pipe, 'f')).buffer, buffer, 'one part is still needed')
    t.equal(other.toString(), 'd'.repeat(20_000))
    pipe.output.giveBack(other)
    const memory = [await pass(pipe, 'g'), await pass(pipe, 'h')]
    t.ok(memory.some(bytes => bytes.buffer === buffer))
    end(pipe)
  },
)

t.test('what comes while nobody listens is complete and in order', async t => {
  const { output, writeFd } = await openPipe(t)
  const reading = text(output)
  for (const letter of 'abc') writeSync(writeFd, Buffer.alloc(20_000, letter))
  closeSync(writeFd)
  t.equal(await reading, ['a', 'b', 'c'].map(letter => letter.repeat(20_000)).join(''))
})

t.test('a paused output is read no further, and goes on where it was', async t => {
  const { output, writeFd } = await openPipe(t)
  const read: string[] = []
  const paused = Promise.withResolvers<void>()
  output.on('data', (bytes: Buffer) => {
    read.push(bytes.toString())
    output.pause()
    output.giveBack(bytes)
    paused.resolve()
  })
  const closed = new Promise(resolve => {
    output.once('close', resolve)
  })
  writeSync(writeFd, Buffer.alloc(piece, 'a'))
  await paused.promise
  writeSync(writeFd, Buffer.alloc(piece, 'b'))
  closeSync(writeFd)
  await new Promise(setImmediate)
  t.equal(read.length, 1)
  output.on('pause', () => setImmediate(() => output.resume()))
  output.resume()
  await closed
  t.equal(read.join(''), 'a'.repeat(piece) + 'b'.repeat(piece))
})
