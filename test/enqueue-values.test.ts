import t from 'tap'
import { call, Cluster, defineProcess } from '../lib/index.ts'
import { openCluster } from './support/cluster.ts'

t.test('an input that JSON cannot hold is refused by its path, and nothing is stored', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  let deep: unknown = {}
  for (let level = 0; level < 10_000; level++) deep = { deep }
  const wrong: [value: unknown, field: string][] = [
    [{ a: 'x\u0000' }, 'input.a'],
    [{ 'x\u0000': 1 }, String.raw`input["x\u0000"]`],
    [{ a: ['\uD83D'] }, 'input.a[0]'],
    [{ a: 5n }, 'input.a'],
    [{ a: Number.NaN }, 'input.a'],
    [{ a: Number.POSITIVE_INFINITY }, 'input.a'],
    [{ a: Symbol('x') }, 'input.a'],
    [{ a: () => 1 }, 'input.a'],
    [() => 1, 'input'],
    [[undefined], 'input[0]'],
    [cyclic, 'input.self'],
    [{ a: new Date(Number.NaN) }, 'input.a'],
    [{ a: Buffer.from('x') }, 'input.a'],
    [{ a: new Float64Array(1) }, 'input.a'],
    [{ a: new Map() }, 'input.a'],
    [{ a: new Set() }, 'input.a'],
    [{ a: new Number(1) }, 'input.a'],
  ]
  for (const [input, field] of wrong) {
    const expected = { code: 'CW_INPUT_UNSERIALISABLE', field }
    await t.rejects(cluster.enqueue('work', input), expected, field)
    const batch = [{ process: 'work' }, { process: 'work', input }]
    await t.rejects(cluster.enqueueMany(batch), { ...expected, field: `requests[1].${field}` })
  }
  await t.rejects(cluster.enqueue('work', deep), { code: 'CW_INPUT_UNSERIALISABLE' })
  await t.rejects(cluster.enqueue('work', 'x'.repeat(2 ** 21)), {
    code: 'CW_INPUT_UNSERIALISABLE',
    message: /put large data elsewhere/,
  })
  t.equal(await countRequests(), 0)
})

t.test('whatever JSON holds comes back as it was', async t => {
  const { cluster } = await openCluster(t)
  const inputs: unknown[] = [
    null,
    false,
    0,
    '',
    [],
    {},
    -1.5e-300,
    1.7976931348623157e308,
    5e-324,
    Number.MAX_SAFE_INTEGER,
    'null',
    '\u{1F600} \u202E \u0001 \u2028 \\u0000 "\'`',
    { '': { ' ': { '.': 1 } } },
    JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":{"b":2}}}'),
    Array.from({ length: 10_000 }, (_, n) => n),
    { text: 'x'.repeat(900_000) },
  ]
  const requests = inputs.map(input => ({ process: 'work', input }))
  for (const [index, { id }] of (await cluster.enqueueMany(requests)).entries())
    t.same((await cluster.get(id)).input, inputs[index])
})

t.test('what JSON writes in another way is stored as JSON writes it', async t => {
  const { cluster } = await openCluster(t)
  const pairs: [given: unknown, stored: unknown][] = [
    [undefined, {}],
    [{ a: undefined, b: -0 }, { b: 0 }],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [Object.assign(Object.create({ inherited: 1 }), { own: 1 }), { own: 1 }],
  ]
  for (const [given, stored] of pairs) {
    const { id } = await cluster.enqueue('work', given)
    const { input } = await cluster.get(id)
    t.same(input, stored)
    t.notOk(Object.is((input as { b?: number }).b, -0))
  }
})

t.test('what is checked is what is stored, whatever the object answers later', async t => {
  const { cluster } = await openCluster(t)
  let reads = 0
  const { id } = await cluster.enqueue('work', {
    get n() {
      return ++reads
    },
    later: { toJSON: () => `read ${++reads}` },
  })
  t.same((await cluster.get(id)).input, { n: 1, later: 'read 2' })
})

t.test('a large input, and edge values, reach the run whole', async t => {
  const { url, db } = await openCluster(t)
  const seen: unknown[] = []
  const echo = defineProcess({
    name: 'echo',
    steps: [call('note', ({ input }) => void seen.push(input))],
  })
  const server = new Cluster({
    connectionString: url,
    processes: [echo],
    dataDir: t.testdir(),
    retention: 'forever',
  })
  t.teardown(() => server.stop())
  await server.start()
  const inputs = [{ text: 'é'.repeat(100_000) }, null, { text: 'x'.repeat(3995) }, [0, '', [null]]]
  const enqueued = await server.enqueueMany(inputs.map(input => ({ process: 'echo', input })))
  for (const { id } of enqueued) t.match(await server.wait(id), { outcome: 'succeeded' })
  t.same(
    new Set(seen.map(input => JSON.stringify(input))),
    new Set(inputs.map(input => JSON.stringify(input))),
  )
  t.ok(db)
})
