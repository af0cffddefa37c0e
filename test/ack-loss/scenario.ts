import type { Test } from 'tap'
import { declareSilentLost } from '../../lib/db/incarnations.ts'
import { purgeHistory } from '../../lib/db/node-history.ts'
import { purgeFinished } from '../../lib/db/purge.ts'
import { writeSteps } from '../../lib/db/steps.ts'
import {
  call,
  Cluster,
  ClusterError,
  defineProcess,
  type Process,
  type StepContext,
} from '../../lib/index.ts'
import {
  addLane,
  addRequests,
  addRun,
  addServer,
  openDatabase,
  outcomes,
  roomsOf,
  stepRecord,
} from '../support/rows.ts'
import type { Database } from '../../lib/db/database.ts'
import { openBehindFaults } from './behind-faults.ts'
import type { Fault } from './fault-proxy.ts'

export interface Played {
  /** How often each statement was sent. */
  readonly sent: Map<string, number>
  readonly fired: ReadonlySet<Fault>
  /** What is not as it has to be. */
  readonly problems: string[]
}

const day = 86_400_000

/** A server and an application do everything once that the product does, behind a network with these faults. */
export async function play(test: Test, faults: readonly Fault[]): Promise<Played> {
  const { direct, proxy, options } = await openBehindFaults(test, faults)
  const past = await addPast(direct)
  const diary = new Diary()
  const server = new Cluster({ ...options, nodeId: 'a', processes: [workOf(diary)] })
  const app = new Cluster({ ...options, nodeId: 'app' })
  test.teardown(() => Promise.all([server.stop({ drain: 0 }), app.stop()]))
  const fenced = new Promise<never>((_resolve, reject) => server.on('fenced', reject))
  const behind = openDatabase(test, proxy.url, { connections: 1 })
  const doAll = async (): Promise<string[]> => {
    await insist(() => server.start())
    const wanted = await ask(app, diary)
    await insist(() => declareSilentLost(behind, { id: past.silent, sessions: 1 }, 'app'))
    await waitForAll(app, wanted.set(past.due, 'succeeded').set(past.lost, 'failed server_lost'))
    const first = await outcomes(direct)
    await giveOrders(app)
    await insist(() => purgeHistory(behind, day / 2))
    await insist(() => purgeFinished(behind, day / 2))
    await server.stop()
    return findProblems(direct, wanted, first)
  }
  const problems = await Promise.race([doAll(), fenced])
  return { sent: proxy.sent, fired: proxy.fired, problems: [...problems, ...diary.problems()] }
}

/** Also for the compensation, which is then one of them. */
async function waitForAll(app: Cluster, wanted: Map<string, string>): Promise<void> {
  for (const id of wanted.keys()) {
    await insist(() => app.wait(id))
    const { compensatedBy } = await insist(() => app.get(id))
    if (compensatedBy) wanted.set(compensatedBy, 'succeeded')
  }
}

async function giveOrders(app: Cluster): Promise<void> {
  await insist(() => app.suspend('a', { who: 'ada' }))
  await insist(() => app.resume('a', { who: 'ada' }))
  await insist(() => app.drain('a', { who: 'ada' }))
  await insist(() => app.resume('a', { who: 'ada' }))
}

/** Who has a database that breaks tries again; what is no connection's failure is for a person. */
export async function insist<T>(act: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code !== 'CW_CONNECTION' || tries === 10)
        throw error
    }
}

/** What the steps did: the independent witness. */
export class Diary {
  readonly #did = new Map<string, number>()
  readonly #begun = Promise.withResolvers<void>()

  /** Resolves when the step that waits for its cancel has begun. */
  get begun(): Promise<void> {
    return this.#begun.promise
  }

  note(requestId: string, what: string): void {
    const key = `${requestId} ${what}`
    this.#did.set(key, (this.#did.get(key) ?? 0) + 1)
    if (what === 'waits') this.#begun.resolve()
  }

  problems(): string[] {
    return [...this.#did]
      .filter(([, times]) => times > 1)
      .map(([key]) => `${key}: done more than once`)
  }
}

interface Work {
  does?: 'fails' | 'waits'
  text?: string
}

function workOf(diary: Diary): Process {
  return defineProcess({
    name: 'work',
    steps: [
      call(
        'first',
        ({ requestId, log }) => {
          diary.note(requestId, 'first')
          log('done')
        },
        {
          undo: ({ requestId, compensates }) => diary.note(compensates ?? requestId, 'undo'),
        },
      ),
      call('second', async ({ requestId, input, signal }: StepContext<Work>) => {
        diary.note(requestId, input.does ?? 'second')
        if (input.does === 'fails') throw new Error('as it was told')
        if (input.does === 'waits')
          await new Promise(resolve => signal.addEventListener('abort', resolve))
        return { length: input.text?.length ?? 0 }
      }),
    ],
  })
}

/** Asks for one of each, and cancels two. @returns how each must end, by their ids */
async function ask(app: Cluster, diary: Diary): Promise<Map<string, string>> {
  const enqueue = (key: string, input: Work, more: object = {}) =>
    insist(() => app.enqueue('work', input, { idempotencyKey: key, ...more }))
  const small = await enqueue('small', {})
  const large = await enqueue('large', { text: 'x'.repeat(5000) })
  const fails = await enqueue('fails', { does: 'fails' })
  const waits = await enqueue('waits', { does: 'waits' })
  const later = await enqueue('later', {}, { runAt: new Date(Date.now() + day) })
  await diary.begun
  for (const { id } of [waits, later]) await insist(() => app.cancel(id))
  return new Map([
    [small.id, 'succeeded'],
    [large.id, 'succeeded'],
    [fails.id, 'failed step_failed'],
    [waits.id, 'cancelled'],
    [later.id, 'cancelled'],
  ])
}

/**
 * What was before: a request whose time has come, one that finished long ago, and a server that has gone silent while it ran one with a step to
 * undo.
 */
async function addPast(db: Database): Promise<{ due: string; lost: string; silent: string }> {
  const { t } = db
  const lane = await addLane(db)
  const [due] = (await addRequests(db, { lane, dueInSeconds: -1 })) as [string]
  const silent = await addServer(db, 'silent')
  const lost = await addRun(db, silent, lane)
  await writeSteps(db, silent, [
    stepRecord(lost.id, { state: 'succeeded', undoOnce: 'finished', finishedMs: 2 }),
  ])
  const [old] = (await addRequests(db, { lane })) as [string]
  await db.query({
    text: `
      with gone as (delete from ${t.queue} where id = $1)
      insert into ${t.finished} (id, outcome, finished_at) values ($1, 'succeeded', now() - interval '1 day')`,
    values: [old],
  })
  return { due, lost: lost.id, silent }
}

async function findProblems(
  db: Database,
  wanted: ReadonlyMap<string, string>,
  first: Awaited<ReturnType<typeof outcomes>>,
): Promise<string[]> {
  const { t } = db
  const problems: string[] = []
  const { finished = [], ...others } = await roomsOf(db)
  for (const [room, ids] of Object.entries(others))
    if (ids.length > 0) problems.push(`${room}: ${ids.join(', ')}`)
  if (finished.length !== wanted.size)
    problems.push(`expected ${wanted.size} finished requests, got ${finished.length}`)
  const last = new Map((await outcomes(db)).map(one => [one.id, JSON.stringify(one)]))
  for (const one of first)
    if (wanted.has(one.id) && last.get(one.id) !== JSON.stringify(one))
      problems.push(`${one.id}: its finished state has changed`)
  for (const { id, outcome, reason } of await outcomes(db)) {
    const ending = reason === null ? outcome : `${outcome} ${reason}`
    if (ending !== wanted.get(id)) problems.push(`${id}: expected ${wanted.get(id)}, got ${ending}`)
  }
  const { rows } = await db.query<{ kind: string }>({
    text: `
      select 'a suspension is still open' as kind from ${t.suspension} where cleared_at is null
      union all
      select 'no compensation' from ${t.request} having count(compensates) <> 1`,
  })
  return [...problems, ...rows.map(({ kind }) => kind)]
}
