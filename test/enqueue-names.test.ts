import t from 'tap'
import { Cluster } from '../lib/index.ts'
import { openCluster } from './support/cluster.ts'
import { addLane } from './support/rows.ts'

t.test('what cannot be the name of a process is refused, and nothing is stored', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const wrong: unknown[] = [
    '',
    ' work',
    'work\n',
    'wo\u0000rk',
    'wo\u001Brk',
    'wo\u202Erk',
    'wo\u200Brk',
    'wo\uD800rk',
    'cafe\u0301',
    'x'.repeat(101),
    'x'.repeat(10_000),
    null,
    undefined,
    5,
    {},
    ['work'],
    { name: 'work' },
  ]
  for (const process of wrong) {
    const expected = { code: 'CW_OPTION', field: 'process' }
    await t.rejects(cluster.enqueue(process as string), expected, String(process).slice(0, 20))
    const batch = [{ process: 'work' }, { process: process as string }]
    await t.rejects(cluster.enqueueMany(batch), { ...expected, field: 'requests[1].process' })
    await t.rejects(cluster.enqueue(process as string, {}, { allowUnknown: true }), expected)
  }
  t.equal(await countRequests(), 0)
})

t.test('unusual names are names', async t => {
  const { cluster, db } = await openCluster(t)
  for (const name of [
    'a/b',
    '../etc',
    'caf\u00E9',
    "o'clock",
    '$1 ? %s',
    '名前',
    'x'.repeat(100),
  ]) {
    await addLane(db, name)
    const { id } = await cluster.enqueue(name)
    t.match(await cluster.get(id), { process: name })
    t.match(await cluster.list({ process: name }), [{ id }])
  }
})

t.test('an unknown process is refused unless it is allowed', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const unknown = { code: 'CW_UNKNOWN_PROCESS', field: 'process', message: /'other'/ }
  await t.rejects(cluster.enqueue('other'), unknown)
  await t.rejects(cluster.enqueueMany([{ process: 'work' }, { process: 'other' }]), unknown)
  t.equal(await countRequests(), 0)
  const { id } = await cluster.enqueue('other', {}, { allowUnknown: true })
  t.match(await cluster.get(id), { process: 'other', state: 'queued' })
})

t.test('options that are wrong are refused by name', async t => {
  const { cluster, countRequests } = await openCluster(t)
  const enqueue = (options: unknown) => cluster.enqueue('work', {}, options as object)
  for (const [options, field] of [
    [{ prio: 1 }, 'prio'],
    [{ allowUnknown: 'no' }, 'allowUnknown'],
    [{ transaction: null }, 'transaction'],
    [{ transaction: 'begin' }, 'transaction'],
    [{ transaction: {} }, 'transaction'],
    [null, 'options'],
    ['priority', 'options'],
  ] as const)
    await t.rejects(enqueue(options), { code: 'CW_OPTION', field }, field)
  const many = (requests: unknown, options?: unknown) =>
    cluster.enqueueMany(requests as [], options as object)
  for (const [requests, options, field] of [
    [null, {}, 'requests'],
    ['work', {}, 'requests'],
    [{ process: 'work' }, {}, 'requests'],
    [[null], {}, 'requests[0]'],
    [['work'], {}, 'requests[0]'],
    [[{ process: 'work', prio: 1 }], {}, 'requests[0].prio'],
    [[{ process: 'work' }], { priority: 1 }, 'priority'],
    [[{ process: 'work' }], null, 'options'],
  ] as const)
    await t.rejects(many(requests, options), { code: 'CW_OPTION', field }, field)
  t.equal(await countRequests(), 0)
})

t.test('nothing to enqueue is nothing', async t => {
  const { cluster } = await openCluster(t)
  t.same(await cluster.enqueueMany([]), [])
})

t.test('a cluster is told what it needs', async t => {
  t.throws(() => new Cluster({ connectionString: 'postgresql://x/y', schema: 'No Such' }), {
    code: 'CW_OPTION',
    field: 'schema',
  })
  t.throws(() => new Cluster({ connectionString: 'mysql://x/y' }), {
    code: 'CW_OPTION',
    field: 'connectionString',
  })
})
