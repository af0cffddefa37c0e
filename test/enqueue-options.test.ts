import t from 'tap'
import { openCluster } from './support/cluster.ts'

t.test('priorities, moments and keys that cannot be used are refused by name', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const wrong: Record<string, unknown[]> = {
    priority: [2 ** 31, -(2 ** 31) - 1, 32_768, -32_769, 1.5, '5', Number.NaN, true, {}, 5n],
    runAt: [
      new Date(Number.NaN),
      new Date(Date.UTC(10_000, 0, 1)),
      new Date(Date.UTC(1969, 11, 31)),
      '10000-01-01T00:00:00Z',
      '1969-12-31T23:59:59Z',
      '2030-01-31T06:00:00',
      '2030-01-31',
      '2030-02-30T00:00:00Z',
      '2030-13-01T00:00:00Z',
      '2030-01-31T25:00:00Z',
      'tomorrow',
      'infinity',
      '',
      1_900_000_000_000,
      null,
      {},
    ],
    idempotencyKey: ['', 'x'.repeat(256), 'a\u0000', '\uD800', 5, null, {}, ['k']],
  }
  for (const [field, values] of Object.entries(wrong))
    for (const value of values) {
      const expected = { code: 'CW_OPTION', field, message: new RegExp(`^expected ${field} to be`) }
      await t.rejects(cluster.enqueue('work', {}, { [field]: value }), expected, String(value))
      const batch = [{ process: 'work' }, { process: 'work', [field]: value }]
      await t.rejects(cluster.enqueueMany(batch), {
        code: 'CW_OPTION',
        field: `requests[1].${field}`,
      })
    }
  t.equal(await countRequests(), 0)
})

t.test('those that can be used are stored', async t => {
  const { cluster } = await openCluster(t)
  const good: [options: object, stored: object][] = [
    [{ priority: 32_767 }, { priority: 32_767 }],
    [{ priority: -32_768 }, { priority: -32_768 }],
    [{ runAt: new Date(0) }, { state: 'queued', runAt: new Date(0) }],
    [{ runAt: '1970-01-01T01:00:00+01:00' }, { state: 'queued', runAt: new Date(0) }],
    [
      { runAt: '2096-02-29T00:00:00.5Z' },
      { state: 'scheduled', runAt: new Date('2096-02-29T00:00:00.500Z') },
    ],
    [{ runAt: new Date('9999-12-31') }, { state: 'scheduled', runAt: new Date('9999-12-31') }],
    [{ idempotencyKey: 'é'.repeat(255) }, { idempotencyKey: 'é'.repeat(255) }],
    [
      { priority: undefined, runAt: undefined, idempotencyKey: undefined },
      { priority: 0, runAt: null, idempotencyKey: null },
    ],
  ]
  for (const [options, stored] of good) {
    const { id, created } = await cluster.enqueue('work', {}, options)
    t.ok(created)
    t.match(await cluster.get(id), stored)
  }
})

t.test('a key gives the first request again, with the same input only', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const key = { idempotencyKey: 'once' }
  const first = await cluster.enqueue('work', { a: 1, b: [2] }, key)
  t.same(await cluster.enqueue('work', { b: [2], a: 1 }, key), { id: first.id, created: false })
  await t.rejects(cluster.enqueue('work', { a: 2 }, key), {
    code: 'CW_IDEMPOTENCY_CONFLICT',
    field: 'idempotencyKey',
    message: /'once'/,
  })
  t.equal(await cluster.cancel(first.id), 'cancelled')
  t.same(await cluster.enqueue('work', { a: 1, b: [2] }, key), { id: first.id, created: false })
  t.equal(await countRequests(), 1)
})

t.test('a hundred thousand in one call', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const requests = Array.from({ length: 100_000 }, (_, n) => ({ process: 'work', input: { n } }))
  const enqueued = await cluster.enqueueMany(requests)
  t.equal(new Set(enqueued.map(({ id }) => id)).size, 100_000)
  t.equal(await countRequests(), 100_000)
  t.same((await cluster.get(enqueued[54_321]?.id ?? '')).input, { n: 54_321 })
})
