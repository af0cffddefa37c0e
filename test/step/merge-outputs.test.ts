import { Readable } from 'node:stream'
import t from 'tap'
import { mergeOutputs } from '../../lib/step/merge-outputs.ts'

const piece = Buffer.alloc(64 * 1024, 'x')

/** An output that stays open, like that of a service, and gives this many pieces. */
function openOutput(pieces: number): Readable {
  let left = pieces
  return new Readable({
    read() {
      if (left-- > 0) this.push(piece)
    },
  })
}

t.test('a program waits while nobody takes its output', async t => {
  const stdout = openOutput(Infinity)
  const outputs = mergeOutputs(stdout, openOutput(0))
  await new Promise(resolve => {
    stdout.once('pause', resolve)
  })
  const taken = outputs.chunks()
  await taken.next()
  t.ok(stdout.isPaused(), 'one piece is being written, four are held')
  await taken.next()
  t.notOk(stdout.isPaused(), 'there is room again')
  outputs.close()
})

t.test('what an ended program had written is complete although nobody took it in time', async t => {
  const outputs = mergeOutputs(openOutput(10), openOutput(2))
  await outputs.finish(100)
  let bytes = 0
  for await (const chunk of outputs.chunks()) bytes += chunk.bytes.length
  t.equal(bytes, 12 * piece.length)
})

t.test(
  'a service that goes on printing is read no further than its time and some memory allow',
  async t => {
    const outputs = mergeOutputs(openOutput(Infinity), openOutput(0))
    await outputs.finish(100)
    let bytes = 0
    for await (const chunk of outputs.chunks()) bytes += chunk.bytes.length
    t.equal(bytes, 16 * piece.length)
  },
)
