import fc from 'fast-check'
import t from 'tap'
import { makeOutputDecoder } from '../../lib/step/output-decoder.ts'

/** Bytes in which characters of every length, broken ones and NULs are common. */
const output = fc
  .array(
    fc.oneof(
      fc.constantFrom('a', 'é', '☃', '😀', '\uFEFF', '\0', '\n').map(text => Buffer.from(text)),
      fc.constantFrom(0x80, 0xc0, 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0xff).map(byte => Buffer.of(byte)),
    ),
    { maxLength: 30 },
  )
  .map(parts => Buffer.concat(parts))

function decode(pieces: readonly Buffer[]): string {
  const decoder = makeOutputDecoder()
  return Buffer.concat([...pieces, undefined].flatMap(piece => decoder(piece))).toString()
}

t.test('however output is cut, it becomes the same text', async t => {
  fc.assert(
    fc.property(output, fc.array(fc.nat(40), { maxLength: 10 }), (bytes, cuts) => {
      const ends = [...cuts.toSorted((a, b) => a - b), bytes.length]
      const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
      const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
      return decode(pieces) === whole.replaceAll('\0', '\u2400')
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('text that can be stored is not copied', async t => {
  const bytes = Buffer.from('how it is ☃')
  const decode = makeOutputDecoder()
  t.equal(decode(bytes)[0]?.buffer, bytes.buffer)
  t.same(decode(bytes.subarray(-3, -1)), [])
  const next = Buffer.concat([bytes.subarray(-1), bytes])
  const texts = decode(next)
  t.same(texts.map(String), ['☃', 'how it is ☃'])
  t.equal(texts[1]?.buffer, next.buffer, 'but for the character that was split')
})
