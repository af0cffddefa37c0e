import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { keepLastLines } from '../../lib/step/last-lines.ts'

const longest = 500

function shown(line: string): string {
  return line.replace(/\r$/, '').slice(0, longest).toWellFormed()
}

const piece = fc
  .array(
    fc.constantFrom('a', '☃'.repeat(167), '😀'.repeat(249), 'x'.repeat(499), '\r', '\n', '\n\n'),
  )
  .map(parts => parts.join(''))

t.test('the last lines are those that the whole text has', async t => {
  fc.assert(
    fc.property(fc.array(piece), pieces => {
      const lines = keepLastLines()
      for (const text of pieces) lines.add('stdout', Buffer.from(text))
      const all = pieces.join('').split('\n')
      const last = all.at(-1) === '' ? all.slice(0, -1) : all
      return isDeepStrictEqual(lines.list(), last.slice(-20).map(shown))
    }),
  )
  t.pass()
})

t.test('lines of two streams are in the order in which they ended', async t => {
  const lines = keepLastLines()
  lines.add('stdout', Buffer.from('out be'))
  lines.add('stderr', Buffer.from('err\nerr two'))
  lines.add('stdout', Buffer.from('gins\n'))
  t.same(lines.list(), ['err', 'out begins', 'err two'])
})
