import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { StepRecord } from '../../lib/base/record.ts'
import { claim, readBackClaim } from '../../lib/db/claim.ts'
import type { Database } from '../../lib/db/database.ts'
import { finish } from '../../lib/db/finish.ts'
import { declareLost } from '../../lib/db/incarnations.ts'
import { purgeFinished } from '../../lib/db/purge.ts'
import { getRequest, listRequests } from '../../lib/db/status.ts'
import { writeSteps } from '../../lib/db/steps.ts'
import { runBinary } from '../support/binary.ts'
import { addRun, roomsOf, stepRecord, success } from '../support/rows.ts'
import { until, untilBlocked } from '../support/until.ts'

import { done, undo, openRun, record, claimAll } from './open-run.ts'

t.test('a finished step with an undo is to be undone, by whoever claims first', async t => {
  const { db, url, connect, lane, server, serve, id } = await openRun(t, {
    steps: [
      done,
      { state: 'succeeded', finishedMs: 3 },
      { state: 'running', undoOnce: 'finished' },
    ],
  })
  const waiting = await addRun(db, await serve('x'), lane)
  const session = await connect()
  await session.query(`listen ${db.schema}_wake`)
  const hints: string[] = []
  session.on('notification', ({ payload = '' }) => hints.push(payload))
  t.same(await declareLost(db, server, 'b'), [id])

  const [compensation] = (await roomsOf(db))['queue'] ?? []
  t.match(await getRequest(db, id), { reason: 'server_lost', compensatedBy: compensation })
  t.match(await getRequest(db, compensation ?? ''), {
    process: 'work',
    state: 'queued',
    compensates: id,
    compensatedBy: null,
    priority: 32_767,
    input: {},
    idempotencyKey: null,
  })
  t.match(
    await listRequests(db, { limit: 10 }),
    [{ compensates: id }, { id: waiting.id, compensates: null }, { compensatedBy: compensation }],
    'a list tells both',
  )
  const env = { DATABASE_URL: url }
  const shown = await runBinary(t, ['show', id], { env })
  t.match(shown.stdout, new RegExp(`^  undone by +request ${compensation}$`, 'm'))
  const undoing = await runBinary(t, ['show', compensation ?? ''], { env })
  t.match(undoing.stdout, new RegExp(`^  compensates +request ${id}$`, 'm'))
  const list = await runBinary(t, ['list'], { env })
  t.match(list.stdout, new RegExp(`${compensation} +work \\(undoes ${id}\\) +queued`))
  await until(async () => {
    await session.query('select')
    return hints.length > 0
  })
  t.same(hints, ['queue'])

  const lost = {
    requestId: id,
    error: 'the server a was lost while it ran this request (noticed by b)',
    steps: [
      { phase: 'step', position: 0, name: 's0', ...recorded(done), output: { at: 1 }, error: null },
      { name: 's1', state: 'succeeded', undoOnce: null },
      { name: 's2', state: 'failed', undoOnce: 'finished', error: /was lost/ },
    ],
  }
  const second = await serve('c')
  const token = randomUUID()
  const claimed = await claim(db, { incarnation: second, lanes: [lane], limit: 5, token })
  t.match(claimed, [{ id: compensation, lane, input: {}, lost }])
  t.same(await readBackClaim(db, second, token), claimed, 'also when the answer was lost')
})

function recorded({ state, undoOnce }: Pick<StepRecord, 'state' | 'undoOnce'>) {
  return { state, undoOnce }
}

const cases: Record<string, [Parameters<typeof openRun>[1], number]> = {
  'nothing was recorded': [{}, 0],
  'no step has an undo': [{ steps: [{ ...done, undoOnce: null }] }, 0],
  'the step with an undo did not finish': [{ steps: [{ undoOnce: 'finished' }] }, 0],
  'the step did not finish, and its undo is for that too': [{ steps: [{ undoOnce: 'begun' }] }, 1],
  'the step was skipped': [{ steps: [{ state: 'skipped', undoOnce: 'begun' }] }, 0],
  'its server had undone it': [{ steps: [done, { ...undo, position: 0 }] }, 0],
  'its server had begun to undo it': [
    { steps: [done, { ...undo, position: 0, state: 'running' }] },
    0,
  ],
  'its server had undone a part of it': [{ steps: [done, done, { ...undo, position: 1 }] }, 1],
  'there are on-failure steps only': [{ onFailure: 1 }, 1],
  'its server had begun the on-failure step': [
    { onFailure: 1, steps: [{ state: 'failed' }, { phase: 'on_failure', position: 0 }] },
    0,
  ],
  'its server had begun the first on-failure step': [
    { onFailure: 2, steps: [{ state: 'failed' }, { phase: 'on_failure', position: 0 }] },
    1,
  ],
}

for (const [what, [run, count]] of Object.entries(cases))
  t.test(`${count} compensations when ${what}`, async t => {
    const { db, server } = await openRun(t, run)
    await declareLost(db, server, 'b')
    t.equal((await roomsOf(db))['queue']?.length, count)
  })

t.test('two declarations at once queue one compensation', async t => {
  const { db, connect, server } = await openRun(t, { steps: [done] })
  const session = await connect()
  await session.query('begin')
  await session.query(`select from cluster_worker.incarnation where id = ${server} for share`)
  const declarations = ['b', 'c', 'its guardian'].map(by => declareLost(db, server, by))
  await untilBlocked(db, 3)
  await session.query('commit')
  const answers = await Promise.all(declarations)
  t.equal(answers.filter(answer => answer !== undefined).length, 1)
  t.equal((await roomsOf(db))['queue']?.length, 1)
})

t.test('a declaration that is rolled back queues nothing, and the next one does', async t => {
  const { db, connect, server } = await openRun(t, { steps: [done] })
  const session = await connect()
  await session.query('begin')
  const within = Object.assign(Object.create(db) as Database, {
    transaction: (work: (client: typeof session) => Promise<unknown>) => work(session),
  })
  t.equal((await declareLost(within, server, 'b'))?.length, 1)
  await session.query('rollback')
  t.match(await roomsOf(db), { queue: [], finished: [] })
  await declareLost(db, server, 'c')
  t.equal((await roomsOf(db))['queue']?.length, 1)
})

t.test('the database refuses a second compensation of one request', async t => {
  const { db, lane, server, id } = await openRun(t, { steps: [done] })
  await declareLost(db, server, 'b')
  await t.rejects(
    db.query({
      text: `insert into ${db.t.request} (id, lane, priority, input, compensates) values (-1, $1, 0, '{}', $2)`,
      values: [lane, id],
    }),
    { code: '23505' },
  )
})

t.test('a compensation that is lost is compensated by what it had not begun', async t => {
  const { db, lane, server, serve, id } = await openRun(t, { steps: [done, done, done] })
  await declareLost(db, server, 'x')
  const second = await serve('b')
  const [first] = await claimAll(db, second, lane)
  await record(db, second, first?.id ?? '', [
    { ...undo, position: 2, name: 's2' },
    { ...undo, position: 1, name: 's1', state: 'running' },
  ])
  await declareLost(db, second, 'x')
  const third = await serve('c')
  const [again] = await claimAll(db, third, lane)
  t.match(await getRequest(db, again?.id ?? ''), { compensates: first?.id })
  t.match(again?.lost, {
    requestId: id,
    error: /the server a was lost/,
    steps: [
      { phase: 'step', name: 's0' },
      { phase: 'step', name: 's1' },
      { phase: 'step', name: 's2' },
      { phase: 'undo', name: 's1', state: 'failed', error: /the server b was lost/ },
      { phase: 'undo', name: 's2', state: 'succeeded' },
    ],
  })
  await record(db, third, again?.id ?? '', [{ ...undo, position: 0 }])
  await declareLost(db, third, 'x')
  t.match(await roomsOf(db), { queue: [] }, 'nothing is left that was not begun')
})

t.test('compensations that kill each server that claims them come to an end', async t => {
  const { db, lane, server, serve } = await openRun(t, { steps: [done] })
  await declareLost(db, server, 'x')
  let killed = 0
  for (;;) {
    const next = await serve(`b${killed}`)
    if ((await claimAll(db, next, lane)).length === 0) break
    killed++
    await declareLost(db, next, 'x')
  }
  t.equal(killed, 5)
})

t.test('a large input is not copied, and reaches the undo all the same', async t => {
  const { db, lane, server, serve, id } = await openRun(t, { steps: [done] })
  await db.query({
    text: `update ${db.t.request} set input = jsonb_build_object('text', (
      select string_agg(md5(n::text), '') from generate_series(1, 1000) as n)) where id = $1`,
    values: [id],
  })
  const expected = (await getRequest(db, id))?.input
  await declareLost(db, server, 'b')
  const [claimed] = await claimAll(db, await serve('c'), lane)
  t.same((await getRequest(db, claimed?.id ?? ''))?.input, null)
  t.same(claimed?.input, expected)
})

t.test('a lost request is kept until its compensation has ended and is old too', async t => {
  const { db, lane, server, serve, id } = await openRun(t, { steps: [done] })
  await declareLost(db, server, 'b')
  const age = async (): Promise<void> => {
    // Finished rows never change, so they are made older by taking the guard away for a moment.
    await db.query({ text: `alter table ${db.t.finished} disable trigger finished_never_changes` })
    await db.query({
      text: `update ${db.t.finished} set finished_at = now() - interval '40 days'`,
    })
    await db.query({ text: `alter table ${db.t.finished} enable trigger finished_never_changes` })
  }
  await age()
  t.equal(await purgeFinished(db, 86_400_000), 0, 'while the compensation waits')
  const third = await serve('c')
  const token = randomUUID()
  const [claimed] = await claim(db, { incarnation: third, lanes: [lane], limit: 1, token })
  t.equal(await purgeFinished(db, 86_400_000), 0, 'while it runs')
  t.equal(claimed?.lost?.requestId, id)
  await finish(db, third, [success({ id: claimed?.id ?? '', token })])
  t.equal(await purgeFinished(db, 86_400_000), 0, 'while it is young')
  await age()
  t.equal(await purgeFinished(db, 86_400_000), 2, 'then both go')
})

t.test('500 runs that are lost at once are compensated at once', async t => {
  const { db, lane, server, serve } = await openRun(t, { steps: [done] })
  const ids = await Promise.all(Array.from({ length: 499 }, () => addRun(db, server, lane)))
  for (const half of [ids.slice(0, 250), ids.slice(250)])
    await writeSteps(
      db,
      server,
      half.flatMap(({ id }) => [
        stepRecord(id, { ...done, name: 's0' }),
        stepRecord(id, { position: 1, name: 's1', undoOnce: 'finished' }),
      ]),
    )
  const before = performance.now()
  t.equal((await declareLost(db, server, 'b'))?.length, 500)
  t.comment(`declared in ${Math.round(performance.now() - before)} ms`)
  const claimed = await claimAll(db, await serve('c'), lane)
  t.equal(claimed.length, 500)
  t.equal(new Set(claimed.map(({ lost }) => lost?.requestId)).size, 500)
  t.comment(`claimed after ${Math.round(performance.now() - before)} ms`)
})
