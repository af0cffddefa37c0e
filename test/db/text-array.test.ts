import fc from 'fast-check'
import t from 'tap'
import { textArray } from '../../lib/db/text-array.ts'
import { openRooms } from '../support/rows.ts'

t.test('any texts arrive as they are, in their order', async t => {
  const { db } = await openRooms(t)
  const text = fc.oneof(
    fc.constantFrom('', 'NULL', '{}', '"', '\\', ',', "'", 'é', '😀', '\n', 'x'.repeat(100_000)),
    fc.string({ unit: 'grapheme' }).map(any => any.replaceAll('\0', '').toWellFormed()),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 20 }), async texts => {
      const { rows } = await db.query<{ text: string; n: string }>({
        text: 'select text, n from unnest($1::text[]) with ordinality as given (text, n) order by n',
        values: [Buffer.concat(textArray(texts.map(text => halves(text))))],
      })
      t.same(
        rows.map(row => row.text),
        texts,
      )
    }),
    { numRuns: 50 },
  )
})

t.test('what is large already is not copied', async t => {
  const large = Buffer.alloc(100_000, 'x')
  const buffers = textArray([['a', large, 'b'], ['c']])
  t.equal(buffers.length, 3)
  t.equal(buffers[1], large)
})

/** The text in parts of both kinds, cut anywhere between two characters. */
function halves(text: string): (string | Buffer)[] {
  const characters = Array.from(text)
  const middle = Math.floor(characters.length / 2)
  return [characters.slice(0, middle).join(''), Buffer.from(characters.slice(middle).join(''))]
}
