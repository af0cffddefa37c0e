import t from 'tap'
import { arrayLiteral } from '../../lib/db/array-literal.ts'
import { openRooms } from '../support/rows.ts'

const literal = (values: readonly (string | number | null | undefined)[]) =>
  arrayLiteral(values, value => value)

t.test('PostgreSQL reads the same texts', async t => {
  const { db } = await openRooms(t)
  const texts = ['', 'a', 'NULL', 'null', '{}', '{"a":"b\\"c\\\\"}', ',', ' ', '\n', "'", '€', null]
  const { rows } = await db.query({
    text: 'select to_jsonb($1::text[]) as texts, to_jsonb($2::float8[]) as numbers',
    values: [literal(texts), literal([1, undefined, -2.5, 1e-7, 1e21])],
  })
  t.strictSame(rows, [{ texts, numbers: [1, null, -2.5, 1e-7, 1e21] }])
})

t.test('a column without any value is left to unnest', async t => {
  t.equal(literal([null, undefined]), null)
  const { db } = await openRooms(t)
  const { rows } = await db.query({
    text: 'select * from unnest($1::text[], $2::integer[]) as u (name, code)',
    values: [literal(['a', 'b']), literal([null, null])],
  })
  t.strictSame(rows, [
    { name: 'a', code: null },
    { name: 'b', code: null },
  ])
})
