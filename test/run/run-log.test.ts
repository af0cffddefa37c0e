import t from 'tap'
import type { LogPiece } from '../../lib/base/record.ts'
import { RunLog } from '../../lib/run/run-log.ts'

const large = 256 * 1024

/** A log whose pieces the test stores. */
function openLog() {
  const pieces: LogPiece[] = []
  const storing: PromiseWithResolvers<void>[] = []
  const errors: unknown[] = []
  const log = new RunLog(
    '7',
    piece => {
      pieces.push(piece)
      const stored = Promise.withResolvers<void>()
      storing.push(stored)
      return stored.promise
    },
    error => void errors.push(error),
  )
  return { log, pieces, storing, errors }
}

t.test(
  'bytes belong to the log until they are stored, and for good when they cannot be',
  async t => {
    const { log, pieces, storing, errors } = openLog()
    const sink = log.sinkOf('build')
    const stored: string[] = []
    for (const letter of ['a', 'b'])
      await sink.write('stdout', Buffer.alloc(large, letter), () => void stored.push(letter))
    t.equal(pieces.length, 2, 'a large piece is written at once')
    const flushed = log.flush()
    t.same(stored, [])
    storing[1]?.reject(new Error('full'))
    storing[0]?.resolve()
    await flushed
    t.same(stored, ['a'])
    t.match(errors, [{ message: 'full' }])
  },
)

t.test(
  'pieces have the text of one step and stream, in order, in whatever form it came',
  async t => {
    const { log, pieces, storing } = openLog()
    const sink = log.sinkOf('build')
    await sink.write('stdout', 'one ')
    await sink.write('stdout', Buffer.from('two'))
    await sink.write('stderr', 'three')
    await log.sinkOf(null).write('stderr', Buffer.from('four'))
    const flushed = log.flush()
    for (const one of storing) one.resolve()
    await flushed
    t.same(
      pieces.map(({ seq, step, stream, parts, size }) => [seq, step, stream, parts.join(''), size]),
      [
        [1, 'build', 'stdout', 'one two', 7],
        [2, 'build', 'stderr', 'three', 5],
        [3, null, 'stderr', 'four', 4],
      ],
    )
  },
)
