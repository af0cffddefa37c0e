import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cancelRequest } from '../../lib/db/cancel.ts'
import { finish, type Finish } from '../../lib/db/finish.ts'
import { declareLost } from '../../lib/db/incarnations.ts'
import { getRequest } from '../../lib/db/status.ts'
import { writeSteps } from '../../lib/db/steps.ts'
import {
  addLane,
  addRequests,
  addRun,
  addServer,
  openDatabase,
  openRooms,
  outcomes,
  roomsOf,
  stepRecord,
  success,
  type RunningRow,
} from '../support/rows.ts'

async function openRun(t: Parameters<typeof openRooms>[0]) {
  const rooms = await openRooms(t)
  const lane = await addLane(rooms.db)
  const server = await addServer(rooms.db)
  return { ...rooms, lane, server, run: await addRun(rooms.db, server, lane) }
}

t.test('moves a run to finished, with its start, its server and its result', async t => {
  const { db, server, run } = await openRun(t)
  t.same(await finish(db, server, [success(run)]), [run.id])
  t.match(await roomsOf(db), { running: [], finished: [run.id] })
  const record = await getRequest(db, run.id)
  t.match(record, { state: 'finished', outcome: 'succeeded', result: { done: true } })
  t.equal(record?.incarnation, server)
  t.ok(record?.startedAt && record.finishedAt && record.startedAt <= record.finishedAt)
})

t.test('with a wrong token, or by another server, nothing moves', async t => {
  const { db, server, run } = await openRun(t)
  t.same(await finish(db, server, [success({ id: run.id, token: randomUUID() })]), [])
  t.same(await finish(db, await addServer(db), [success(run)]), [])
  t.match(await roomsOf(db), { running: [run.id], finished: [] })
})

t.test('of many runs each is judged by itself', async t => {
  const { db, lane, server, run } = await openRun(t)
  const foreign = await addRun(db, await addServer(db), lane)
  const last = await addRun(db, server, lane)
  const answer = await finish(db, server, [success(run), success(foreign), success(last)])
  t.same(new Set(answer), new Set([run.id, last.id]))
  t.match(await roomsOf(db), { running: [foreign.id], finished: [run.id, last.id] })
})

t.test('repeated, because the answer was lost, it is still ours and happened once', async t => {
  const { db, server, run } = await openRun(t)
  await finish(db, server, [success(run)])
  const before = await outcomes(db)
  const other = { ...success(run), outcome: 'failed' as const, reason: 'step_failed' as const }
  t.same(await finish(db, server, [other]), [run.id])
  t.same(await outcomes(db), before)
})

t.test('a run that another finished is not ours', async t => {
  const { db, server, run } = await openRun(t)
  await declareLost(db, server, 'other')
  t.same(await finish(db, server, [success(run)]), [])
  t.match(await outcomes(db), [{ id: run.id, outcome: 'failed', reason: 'server_lost' }])
})

t.test('a run that shall be cancelled is finished as its server says', async t => {
  const { db, server, run } = await openRun(t)
  t.equal(await cancelRequest(db, run.id), 'requested')
  const cancelled = { ...success(run), outcome: 'cancelled' as const, result: null }
  t.same(await finish(db, server, [cancelled]), [run.id])
  t.match(await outcomes(db), [{ id: run.id, outcome: 'cancelled', incarnation: server }])
  t.equal(await cancelRequest(db, run.id), 'finished')
})

t.test('a finished row never changes', async t => {
  const { db, server, run, connect } = await openRun(t)
  await finish(db, server, [success(run)])
  const session = await connect()
  const change = `update ${db.t.finished} set outcome = 'failed', reason = 'x' where id = $1`
  await t.rejects(session.query(change, [run.id]), { code: 'CW004' })
  t.match(await outcomes(db), [{ id: run.id, outcome: 'succeeded' }])
})

t.test('a failure must have a reason', async t => {
  const { db, server, run } = await openRun(t)
  await t.rejects(finish(db, server, [{ ...success(run), outcome: 'failed' }]), { code: '23514' })
  t.match(await roomsOf(db), { running: [run.id], finished: [] })
})

t.test('steps are kept while the run is the own one of a living server', async t => {
  const { db, server, run } = await openRun(t)
  await writeSteps(db, server, [stepRecord(run.id)])
  const done = stepRecord(run.id, {
    state: 'succeeded',
    finishedMs: 1500,
    exitCode: 0,
    output: '{"answer":42}',
  })
  await writeSteps(db, server, [done])
  await writeSteps(db, server, [done])
  const { steps, startedAt } = (await getRequest(db, run.id)) ?? {}
  t.match(steps, [{ name: 'first', state: 'succeeded', exitCode: 0, output: { answer: 42 } }])
  const [step] = steps ?? []
  t.equal(Number(step?.startedAt) - Number(startedAt), 1)
  t.equal(Number(step?.finishedAt) - Number(step?.startedAt), 1499)
})

t.test('a late record of the beginning does not undo the end', async t => {
  const { db, server, run } = await openRun(t)
  await writeSteps(db, server, [stepRecord(run.id, { state: 'failed', finishedMs: 5 })])
  await writeSteps(db, server, [stepRecord(run.id)])
  t.match((await getRequest(db, run.id))?.steps, [{ state: 'failed' }])
})

t.test('steps of a run that is over, or of somebody else, are dropped', async t => {
  const { db, lane, server, run } = await openRun(t)
  const foreign = await addRun(db, await addServer(db), lane)
  await finish(db, server, [success(run)])
  await writeSteps(db, server, [stepRecord(run.id), stepRecord(foreign.id)])
  t.same((await getRequest(db, run.id))?.steps, [])
  t.same((await getRequest(db, foreign.id))?.steps, [])
})

t.test(
  'the last step is recorded with the ending, by the clock of the claim, and once',
  async t => {
    const { db, server, run } = await openRun(t)
    const about = { name: 'last', position: 3, state: 'succeeded', finishedMs: 5 } as const
    const ended = { ...success(run), lastStep: stepRecord(run.id, about) }
    t.same(await finish(db, server, [ended]), [run.id])
    t.same(await finish(db, server, [ended]), [run.id])
    const { steps, startedAt } = (await getRequest(db, run.id)) ?? {}
    t.match(steps, [{ name: 'last', state: 'succeeded', output: { done: true } }])
    t.equal(steps?.length, 1)
    const { rows } = await db.query({
      text: `
      select extract(epoch from s.started_at - f.started_at) * 1000 as started,
        extract(epoch from s.finished_at - f.started_at) * 1000 as finished
      from ${db.t.step} as s join ${db.t.finished} as f on f.id = s.request_id`,
    })
    t.match(rows, [{ started: /^1\.0+$/, finished: /^5\.0+$/ }])
    t.ok(startedAt)
  },
)

t.test(
  'an output that is not the result is recorded as it is, and a failed step has none',
  async t => {
    const { db, lane, server, run } = await openRun(t)
    const other = await addRun(db, server, lane)
    const succeeded = stepRecord(run.id, { state: 'succeeded', output: '[1]' })
    const failed = stepRecord(other.id, { state: 'failed', error: '{"message":"no"}', exitCode: 3 })
    await finish(db, server, [
      { ...success(run), lastStep: succeeded },
      { ...success(other), lastStep: failed },
    ])
    t.match((await getRequest(db, run.id))?.steps, [{ state: 'succeeded', output: [1] }])
    t.match((await getRequest(db, other.id))?.steps, [
      { state: 'failed', output: null, exitCode: 3, error: { message: 'no' } },
    ])
  },
)

t.test('a step may have succeeded in a run that has failed', async t => {
  const { db, server, run } = await openRun(t)
  const failed = { outcome: 'failed', reason: 'step_failed', error: '{}', result: null } as const
  const lastStep = stepRecord(run.id, { state: 'succeeded', finishedMs: 3, output: '[2]' })
  await finish(db, server, [{ ...success(run), ...failed, lastStep }])
  const record = await getRequest(db, run.id)
  t.match(record, { outcome: 'failed', steps: [{ state: 'succeeded', error: null, output: [2] }] })
})

/** Every third fails. */
function endInTurns(run: RunningRow, index: number): Finish {
  const name = `step ${index % 2}`
  if (index % 3 > 0)
    return { ...success(run), lastStep: stepRecord(run.id, { name, state: 'succeeded' }) }
  const failed = { outcome: 'failed', reason: 'step_failed', error: '{}', result: null } as const
  const lastStep = stepRecord(run.id, { name, state: 'failed', exitCode: index })
  return { ...success(run), ...failed, lastStep }
}

t.test('of runs that end in different ways, in turns, each is recorded as it ended', async t => {
  const { db, lane, server } = await openRun(t)
  const runs = await Promise.all(Array.from({ length: 6 }, () => addRun(db, server, lane)))
  t.equal((await finish(db, server, runs.map(endInTurns))).length, runs.length)
  for (const [index, { id }] of runs.entries()) {
    const ended = index % 3 > 0 ? 'succeeded' : 'failed'
    const exitCode = index % 3 > 0 ? null : index
    const steps = [{ name: `step ${index % 2}`, state: ended, exitCode }]
    t.match(await getRequest(db, id), { outcome: ended, steps })
  }
})

t.test('tokens of each other’s runs move none of them', async t => {
  const { db, lane, server, run } = await openRun(t)
  const other = await addRun(db, server, lane)
  const crossed = [
    { id: run.id, token: other.token },
    { id: other.id, token: run.token },
  ]
  await t.rejects(finish(db, server, crossed.map(success)), { message: /outcome/ })
  t.match(await roomsOf(db), { running: [run.id, other.id], finished: [] })
})

t.test('a run that is not moved leaves no step', async t => {
  const { db, server, run } = await openRun(t)
  const lastStep = stepRecord(run.id, { state: 'succeeded' })
  await finish(db, server, [{ ...success({ id: run.id, token: randomUUID() }), lastStep }])
  t.same((await getRequest(db, run.id))?.steps, [])
  await declareLost(db, server, 'other')
  await finish(db, server, [{ ...success(run), lastStep }])
  t.same((await getRequest(db, run.id))?.steps, [])
})

/** Its step has nothing in common with another one's. */
function endOneOfAKind(run: RunningRow): Finish {
  const lastStep = stepRecord(run.id, { name: `step of ${run.id}`, state: 'succeeded' })
  return { ...success(run), lastStep }
}

t.test('with statistics by which nothing runs, it takes no longer', async t => {
  const { db: first, url } = await openRooms(t)
  // As after some runs: nothing but the statistics decides.
  await first.query({
    text: `do $$ begin execute format('alter database %I set plan_cache_mode = force_generic_plan', current_database()); end $$`,
  })
  const db = openDatabase(t, url)
  const lane = await addLane(db)
  const server = await addServer(db)
  const startMany = async (): Promise<RunningRow[]> => {
    const token = randomUUID()
    const ids = await addRequests(db, { lane, count: 2000 })
    await db.query({
      text: `insert into ${db.t.running} (id, incarnation, token) select unnest($1::bigint[]), $2, $3`,
      values: [ids, server, token],
    })
    return ids.map(id => ({ id, token }))
  }
  const vacuum = () => db.query({ text: `vacuum (truncate false) ${db.t.running}` })
  /** In milliseconds. */
  const timeOfFinish = async (runs: readonly RunningRow[]): Promise<number> => {
    const startedAt = performance.now()
    const moved = await finish(db, server, runs.map(endOneOfAKind))
    const tookMs = performance.now() - startedAt
    t.equal(moved.length, runs.length)
    return tookMs
  }
  const times = { known: Infinity, unknown: Infinity }
  for (let round = 0; round < 3; round++) {
    const known = await startMany()
    await vacuum()
    times.known = Math.min(times.known, await timeOfFinish(known))
    await vacuum()
    times.unknown = Math.min(times.unknown, await timeOfFinish(await startMany()))
  }
  t.ok(times.unknown < 4 * times.known, `${times.unknown} ms to ${times.known} ms`)
})
