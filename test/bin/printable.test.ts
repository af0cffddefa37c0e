import fc from 'fast-check'
import t from 'tap'
import { showMoment, showTook } from '../../bin/moment.ts'
import { toJson } from '../../bin/output.ts'
import { printable, printableLine } from '../../bin/printable.ts'
import { hidePasswords } from '../../bin/server-log.ts'

t.test('control characters become visible, lines and tabs stay', async t => {
  t.equal(printable('a\u001b[2Jb\u009bc\rd\u0000\u007f'), String.raw`a\x1b[2Jb\x9bc\rd\x00\x7f`)
  t.equal(printable('one\r\ntwo\tthree\n'), 'one\ntwo\tthree\n')
  t.equal(printable('žluťoučký 🐎'), 'žluťoučký 🐎')
  t.equal(printableLine('one\ntwo\tthree'), String.raw`one\ntwo three`)
})

t.test('no text brings a control character to a terminal', async t => {
  const text = fc.string({ unit: 'binary' })
  t.doesNotThrow(() => {
    fc.assert(fc.property(text, any => !/[^\P{Cc}\n\t]/u.test(printable(any))))
    fc.assert(fc.property(text, any => !/\p{Cc}/u.test(printableLine(any))))
    fc.assert(
      fc.property(text, any => {
        const json = toJson({ any }, 0)
        return !/\p{Cc}/u.test(json) && (JSON.parse(json) as { any: string }).any === any
      }),
    )
  })
})

t.test('no line of the log holds the password of a URL', async t => {
  const line = 'cannot use postgresql://me:s%40cret@host/db and postgres://you:other@[::1]:5432/db'
  t.equal(
    hidePasswords(line),
    'cannot use postgresql://me:***@host/db and postgres://you:***@[::1]:5432/db',
  )
  t.equal(hidePasswords('postgresql://me@host:5432/db'), 'postgresql://me@host:5432/db')
})

t.test('moments and durations are short', async t => {
  t.match(showMoment(new Date()), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
  t.equal(showMoment(null), '')
  const took = [7, 2100, 125_000, 3_725_000, -5].map(ms => showTook(new Date(0), new Date(ms)))
  t.strictSame(took, ['7 ms', '2.1 s', '2 min 5 s', '1 h 2 min', '0 ms'])
  t.equal(showTook(new Date(0), null), '')
})
