import { setTimeout as delay } from 'node:timers/promises'
import type { Place } from './arena.ts'
import type { BenchClient, Job, WorkOrder } from './contender.ts'
import { joinLedgers, now } from './ledger.ts'
import { WorkerProcess } from './worker-process.ts'

export interface DrainOptions {
  /** How many jobs to enqueue. */
  readonly jobs: number
  /** Stop when so many have started; all of them, and until nothing is left, unless given. */
  readonly until?: number
  /** Defaults to one. */
  readonly workers?: number
  /** The jobs take turns; `noop` unless given. */
  readonly kinds?: readonly string[]
  /** The jobs take turns; all 0 unless given. */
  readonly priorities?: readonly number[]
  readonly settings?: WorkOrder['settings']
  /** Called after the jobs were enqueued, before the workers begin. */
  readonly arrange?: () => Promise<void>
}

export interface Drained {
  /** Jobs a second, from the first start to the last end; with several workers, from when each of them has started one. */
  readonly rate: number
  /** When each job started, in milliseconds of `now()`, earliest first. */
  readonly starts: Float64Array
}

/** How long one measurement may take before it counts as failed, in milliseconds. */
const limitMs = 300_000

/** How many jobs one call enqueues. */
const batch = 1000

/**
 * Enqueues jobs, then lets workers loose on them.
 * @throws {Error} when a job was not done exactly once, by the ledger of the functions and by the database
 */
export async function drain(place: Place, options: DrainOptions): Promise<Drained> {
  const { jobs, kinds = ['noop'], until } = options
  await enqueueAll(place.client, makeJobs(options))
  await options.arrange?.()
  await settle(place)
  return withWorkers(place, { ...options, kinds }, async workers => {
    const limit = AbortSignal.timeout(limitMs)
    await Promise.all(workers.map(worker => worker.start()))
    await untilStarted(workers, until ?? jobs, limit)
    if (until === undefined) await untilNothingIsLeft(place.client, limit)
    const endedAt = now()
    const reports = await Promise.all(workers.map(worker => worker.report()))
    const starts = joinLedgers(reports, until ?? jobs)
      .filter(at => at > 0)
      .toSorted()
    const firstAt = starts[0] ?? endedAt
    if (until !== undefined)
      return { rate: (until / ((starts[until - 1] ?? endedAt) - firstAt)) * 1000, starts }
    await checkDone(place.client, jobs)
    const allAt = Math.max(...reports.map(({ startedAt }) => firstStart(startedAt) ?? firstAt))
    const after = starts.filter(at => at >= allAt)
    return { rate: (after.length / (endedAt - allAt)) * 1000, starts }
  })
}

/** None, when all of them went to others. */
function firstStart(startedAt: Float64Array): number | undefined {
  let first: number | undefined
  for (const at of startedAt) if (at > 0 && at < (first ?? Infinity)) first = at
  return first
}

/** Runs worker processes, loaded but not started, for the work, and stops them. */
export async function withWorkers<T>(
  { contender, url }: Place,
  { workers: count = 1, kinds = ['noop'], jobs, settings = {} }: DrainOptions,
  work: (workers: WorkerProcess[]) => Promise<T>,
): Promise<T> {
  const orders = Array.from({ length: count }, (_, worker) => {
    return { contender, url, worker, kinds, capacity: jobs, settings }
  })
  const spawning = await Promise.allSettled(orders.map(order => WorkerProcess.spawn(order)))
  const workers = spawning.flatMap(spawned =>
    spawned.status === 'fulfilled' ? [spawned.value] : [],
  )
  try {
    const failed = spawning.find(spawned => spawned.status === 'rejected')
    if (failed) throw failed.reason
    return await Promise.race([work(workers), ...workers.map(worker => worker.gone)])
  } finally {
    await Promise.all(workers.map(worker => worker.stop()))
  }
}

/** Enqueues in calls of a thousand, four under way at a time. */
export async function enqueueAll(client: BenchClient, jobs: readonly Job[]): Promise<void> {
  let next = 0
  const loop = async (): Promise<void> => {
    while (next < jobs.length) {
      const from = next
      next += batch
      await client.enqueueMany(jobs.slice(from, from + batch))
    }
  }
  await Promise.all(Array.from({ length: 4 }, loop))
}

export async function untilStarted(
  workers: readonly WorkerProcess[],
  count: number,
  limit: AbortSignal,
): Promise<void> {
  const started = (): number => workers.reduce((sum, worker) => sum + worker.started, 0)
  while (started() < count) {
    if (limit.aborted)
      throw new Error(`only ${started()} of ${count} jobs had started after ${limitMs} ms`)
    await delay(2)
  }
}

function makeJobs({ jobs, kinds = ['noop'], priorities = [0] }: DrainOptions): Job[] {
  return Array.from({ length: jobs }, (_, n) => ({
    kind: kinds[n % kinds.length] ?? '',
    n,
    priority: priorities[n % priorities.length] ?? 0,
  }))
}

/** What the enqueuing left to do for the database shall not count. */
async function settle({ session }: Place): Promise<void> {
  await session.query('vacuum (analyze)')
  await session.query('checkpoint')
}

/** Asks the database until nothing waits or runs. */
export async function untilNothingIsLeft(
  client: BenchClient,
  limit = AbortSignal.timeout(limitMs),
): Promise<void> {
  for (let left = await client.countLeft(); left > 0; left = await client.countLeft()) {
    if (limit.aborted) throw new Error(`${left} jobs were left after ${limitMs} ms`)
    await delay(2)
  }
}

/** @throws {Error} unless as many jobs have succeeded, where the contender keeps them */
export async function checkDone(client: BenchClient, jobs: number): Promise<void> {
  const done = await client.countDone()
  if (done !== undefined && done !== jobs)
    throw new Error(`the database says that ${done} of ${jobs} jobs have succeeded`)
}
