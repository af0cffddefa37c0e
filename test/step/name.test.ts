import t from 'tap'
import { checkName } from '../../lib/step/name.ts'

t.test('a name is 1 to 100 visible characters', t => {
  for (const name of ['a', 'deploy web', 'Übergabe/eins', 'a'.repeat(100), '🚀'.repeat(100)])
    t.equal(checkName(name, 'name'), name)
  t.end()
})

t.test('what an operator could not see or tell apart is refused', t => {
  const wrong: Record<string, unknown> = {
    'an empty string': '',
    'more than 100 characters': '🚀'.repeat(101),
    'a very long one': 'x'.repeat(10_000),
    'a newline': 'a\nb',
    'an escape sequence': 'a\u001b[31mb',
    'a NUL': 'a\0b',
    'a right-to-left override': 'a\u202eb',
    'a zero-width space': 'a\u200bb',
    'a line separator': 'a\u2028b',
    'half of a surrogate pair': 'a\ud800',
    'white space at its end': 'a ',
    'a decomposed letter': 'u\u0308ber',
    nothing: undefined,
    null: null,
    'a number': 5,
    'an object': { toString: () => 'a' },
  }
  for (const [what, value] of Object.entries(wrong))
    t.throws(
      () => checkName(value, 'process.name'),
      { code: 'CW_DEFINITION', field: 'process.name' },
      what,
    )
  t.end()
})

t.test('the error says which character cannot be seen', t => {
  t.throws(() => checkName('a\u202eb', 'name'), {
    message: 'expected name to be a name, got one with the invisible character U+202E',
  })
  t.end()
})
