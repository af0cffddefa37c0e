import t from 'tap'
import { openCluster } from './support/cluster.ts'

const largestId = 2n ** 63n - 1n

t.test('what cannot be an id is refused everywhere', async t => {
  const { cluster } = await openCluster(t)
  const { id: real } = await cluster.enqueue('work')
  const wrong: unknown[] = [
    0,
    -1,
    1.5,
    2 ** 53,
    Number.NaN,
    '',
    '0',
    '-1',
    '1 ',
    '1e3',
    '0x1',
    '١',
    "1' or true",
    '1; drop table request',
    largestId + 1n,
    String(largestId + 1n),
    '1'.repeat(1000),
    'C56A4180-65AA-42EC-A945-5FD21DEC0538',
    '{c56a4180-65aa-42ec-a945-5fd21dec0538}',
    { id: 1 },
    [real],
    [],
    null,
    undefined,
    true,
  ]
  for (const value of wrong) {
    const id = value as string
    const refused = { code: 'CW_OPTION', field: 'id' }
    const asks: Promise<unknown>[] = [
      cluster.get(id),
      cluster.cancel(id),
      cluster.wait(id),
      cluster.logs(id).next(),
    ]
    for (const ask of asks) await t.rejects(ask, refused, String(value).slice(0, 40))
    if (id !== undefined)
      await t.rejects(cluster.list({ before: id }), { code: 'CW_OPTION', field: 'before' })
  }
  t.match(await cluster.get(real), { state: 'queued' })
})

t.test('an id in any of its forms is the same request', async t => {
  const { cluster } = await openCluster(t)
  const { id } = await cluster.enqueue('work')
  for (const form of [id, Number(id), BigInt(id), `000${id}`])
    t.equal((await cluster.get(form)).id, id)
})

t.test('an id that nobody has is said to be unknown', async t => {
  const { cluster } = await openCluster(t)
  for (const id of ['9', largestId]) {
    const unknown = { code: 'CW_REQUEST_UNKNOWN', field: 'id' }
    await t.rejects(cluster.get(id), unknown)
    await t.rejects(cluster.cancel(id), unknown)
    await t.rejects(cluster.wait(id), unknown)
    await t.rejects(cluster.logs(id).next(), unknown)
  }
})

t.test('cancelled twice at once it is cancelled once, and then it has finished', async t => {
  const { cluster } = await openCluster(t)
  const { id } = await cluster.enqueue('work')
  const answers = await Promise.all([cluster.cancel(id), cluster.cancel(id)])
  t.same(answers.toSorted(), ['cancelled', 'finished'])
  t.equal(await cluster.cancel(id), 'finished')
  t.match(await cluster.wait(id), { outcome: 'cancelled', node: null })
})

t.test('a filter that is wrong is refused by name', async t => {
  const { cluster } = await openCluster(t)
  const wrong: Record<string, unknown[]> = {
    limit: [-1, 0, 1001, 1e9, 1.5, '5', Number.NaN, null],
    before: ['abc', -1, '1,2', { id: 1 }],
    state: ['done', '', null, 5, ['queued'], 'constructor'],
    outcome: ['lost', '', null, {}],
    process: [5, null, { like: '%' }, 'a\u0000'],
    node: [5, null, [], '\uD800'],
    cursor: ['x'],
  }
  for (const [field, values] of Object.entries(wrong))
    for (const value of values)
      await t.rejects(cluster.list({ [field]: value }), { code: 'CW_OPTION', field }, String(value))
  for (const filter of [null, 'work', [5]])
    await t.rejects(cluster.list(filter as object), { code: 'CW_OPTION' })
})

t.test('pages follow each other, newest first, and nothing twice', async t => {
  const { cluster } = await openCluster(t)
  const requests = Array.from({ length: 25 }, () => ({ process: 'work' }))
  const ids = (await cluster.enqueueMany(requests)).map(({ id }) => id)
  const seen: string[] = []
  for (let before: string | undefined; ; before = seen.at(-1)) {
    const page = await cluster.list({ limit: 10, ...(before !== undefined && { before }) })
    seen.push(...page.map(({ id }) => id))
    if (page.length < 10) break
  }
  t.same(seen, ids.toReversed())
  t.same(await cluster.list({ before: 1 }), [])
  t.equal((await cluster.list({ before: largestId, limit: 1000 })).length, 25)
})

t.test('text in a filter is text', async t => {
  const { cluster } = await openCluster(t)
  await cluster.enqueue('work')
  for (const text of ['%', 'wor_', "' or true --", 'WORK', ''])
    t.same(await cluster.list({ process: text, node: text }), [])
  t.equal((await cluster.list({ process: 'work', state: 'queued' })).length, 1)
})

t.test('a wait ends by its signal and its timeout', async t => {
  const { cluster } = await openCluster(t)
  const { id } = await cluster.enqueue('work')
  await t.rejects(cluster.wait(id, { signal: AbortSignal.abort(new Error('before')) }), {
    message: 'before',
  })
  const abort = new AbortController()
  const waiting = t.rejects(cluster.wait(id, { signal: abort.signal }), { message: 'during' })
  abort.abort(new Error('during'))
  await waiting
  await t.rejects(cluster.wait(id, { timeout: 1 }), { code: 'CW_WAIT_TIMEOUT', field: 'timeout' })
  for (const timeout of [0, -1, 2 ** 31, 'soon'])
    await t.rejects(cluster.wait(id, { timeout }), { code: 'CW_OPTION', field: 'timeout' })
})
