import fc from 'fast-check'
import t from 'tap'
import { largestJsonBytes, storableText, toJsonText } from '../../lib/base/json.ts'
import type { ClusterError } from '../../lib/errors.ts'

const toJson = (value: unknown): string => toJsonText(value, 'input', 'CW_INPUT_UNSERIALISABLE')

function refusal(value: unknown): ClusterError {
  try {
    const text = toJson(value)
    throw new Error(`expected a refusal, got ${text.slice(0, 100)}`)
  } catch (error) {
    return error as ClusterError
  }
}

t.test('gives what JSON holds', async t => {
  const same: unknown[] = [
    null,
    true,
    'text',
    '',
    '\u{1F600}',
    0,
    -1.5e300,
    5e-324,
    Number.MAX_SAFE_INTEGER,
    [],
    {},
    [1, [2, [3]]],
    { a: { b: [{ c: null }] }, '': 1, 'a key': 2, é: 3 },
  ]
  for (const value of same) t.same(JSON.parse(toJson(value)), value)
  t.equal(toJson(-0), '0')
  t.equal(toJson(undefined), 'null')
  t.equal(toJson({ a: undefined, b: 1 }), '{"b":1}')
  t.equal(toJson(new Date(0)), '"1970-01-01T00:00:00.000Z"')
  t.equal(toJson(new URL('http://x/')), '"http://x/"')
  t.equal(toJson(Object.create(null, { a: { value: 1, enumerable: true } })), '{"a":1}')
})

t.test('any JSON comes back as it was', async () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const text = JSON.stringify(value)
      if (text.includes(String.raw`\u0000`)) return
      t.same(JSON.parse(toJson(value)), JSON.parse(text))
    }),
    { seed: 1, numRuns: 300 },
  )
})

t.test('names the place of what cannot be stored', async t => {
  const cyclic: Record<string, unknown> = { a: {} }
  cyclic['a'] = [cyclic]
  const wrong: [value: unknown, field: string, why: RegExp][] = [
    ['a\u0000b', 'input', /NUL/],
    [{ hosts: ['x', { name: '\u0000' }] }, 'input.hosts[1].name', /NUL/],
    [{ 'a\u0000': 1 }, String.raw`input["a\u0000"]`, /NUL/],
    ['\uD800', 'input', /half a surrogate pair/],
    [{ a: '\uDC00x' }, 'input.a', /half a surrogate pair/],
    [{ '\uD800': 1 }, String.raw`input["\ud800"]`, /half a surrogate pair/],
    [{ a: 1n }, 'input.a', /BigInt/],
    [[Number.NaN], 'input[0]', /NaN/],
    [[0, Number.NEGATIVE_INFINITY], 'input[1]', /-Infinity/],
    [{ a: () => 1 }, 'input.a', /function/],
    [[Symbol('s')], 'input[0]', /symbol/],
    [[1, undefined], 'input[1]', /undefined/],
    // eslint-disable-next-line no-sparse-arrays
    [[1, , 3], 'input[1]', /undefined/],
    [cyclic, 'input.a[0]', /contains itself/],
    [{ when: new Date(Number.NaN) }, 'input.when', /invalid Date/],
    [{ a: Buffer.from('x') }, 'input.a', /Buffer/],
    [{ a: new Uint8Array(3) }, 'input.a', /Uint8Array/],
    [new Map([[1, 2]]), 'input', /Map/],
    [new Set([1]), 'input', /Set/],
    [/x/, 'input', /RegExp/],
    [new Error('x'), 'input', /Error/],
    [Promise.resolve(), 'input', /Promise/],
    [new Number(5), 'input', /Number/],
    [new String('ab'), 'input', /String/],
    [Object(false), 'input', /Boolean/],
    [new URLSearchParams('a=1'), 'input', /URLSearchParams/],
    [new Proxy({}, { ownKeys: () => { throw new Error('trap') } }), 'input', /throws/], // prettier-ignore
    [{ a: { toJSON: () => { throw new Error('no') } } }, 'input.a', /throws/], // prettier-ignore
    [{ get a() { throw new Error('no') } }, 'input', /throws/], // prettier-ignore
  ]
  for (const [value, field, why] of wrong)
    t.match(refusal(value), { code: 'CW_INPUT_UNSERIALISABLE', field, message: why })
})

t.test('reads each property once', async t => {
  let reads = 0
  const value = {
    get counted() {
      return ++reads
    },
    other: { toJSON: () => ++reads },
  }
  t.equal(toJson(value), '{"counted":1,"other":2}')
  t.equal(reads, 2)
})

t.test('a toJSON that never ends is refused', async t => {
  const endless = (): object => ({ toJSON: endless })
  t.match(refusal(endless()), { message: /levels of nesting/ })
  const self = { toJSON: (): unknown => self }
  t.match(refusal(self), { message: /contains itself/ })
})

t.test('a key named like a part of the language is a key', async t => {
  const value: unknown = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":2}}')
  t.equal(toJson(value), '{"__proto__":{"polluted":1},"constructor":{"prototype":2}}')
  t.equal(Object.hasOwn(Object.prototype, 'polluted'), false)
})

t.test('the same object twice is no cycle', async t => {
  const shared = { a: 1 }
  t.equal(toJson([shared, shared]), '[{"a":1},{"a":1}]')
})

t.test('what is too deep or too large is refused, in time', async t => {
  let deep: unknown = 1
  for (let level = 0; level < 10_000; level++) deep = [deep]
  t.match(refusal(deep), { message: /more than 100 levels/ })

  const wide = Object.fromEntries(Array.from({ length: 1_000_000 }, (_, n) => [`key${n}`, n]))
  t.match(refusal(wide), { message: /1048576 bytes/ })
  t.match(refusal('x'.repeat(260 * 1024 * 1024)), { message: /1048576 bytes/ })
  t.match(refusal(Object.assign([], { length: 2 ** 32 - 1 })), { message: /undefined/ })
  t.equal(Buffer.byteLength(toJson('x'.repeat(largestJsonBytes - 2))), largestJsonBytes)
  t.match(refusal('x'.repeat(largestJsonBytes - 1)), { message: /1048576 bytes/ })
  t.match(refusal('é'.repeat(largestJsonBytes / 2)), { message: /1048576 bytes/ })
})

t.test('any text can be made storable', async t => {
  t.equal(storableText('a\u0000b\uD800c\u{1F600}'), 'a\u2400b\uFFFDc\u{1F600}')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const stored = storableText(text)
      if (!stored.isWellFormed() || stored.includes('\u0000')) throw new Error(stored)
      toJson(stored)
    }),
    { seed: 1, numRuns: 300 },
  )
})
