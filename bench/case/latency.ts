import { setTimeout as delay } from 'node:timers/promises'
import type { Place } from '../arena.ts'
import type { Case, Entrant, Sample } from '../case.ts'
import { contenders, type ContenderName } from '../contenders.ts'
import type { WorkOrder } from '../contender.ts'
import { untilNothingIsLeft, untilStarted, withWorkers } from '../drain.ts'
import { joinLedgers, now } from '../ledger.ts'
import { millisecondsOf } from '../plan.ts'
import { quantile } from '../statistics.ts'

const perSecond = 100
const fullMs = 2500

/** Jobs before the measured ones, so that connections and plans are there, and a worker has done what it does when it starts. */
const warmUp = 100

const pollMs = 100

/** How long from the call that enqueues until the function runs, when there is nothing else to do. */
export const latencyCase: Case = {
  name: 'latency',
  title: plan =>
    `enqueue call to step function running, ${perSecond} a second for ${millisecondsOf(plan, fullMs) / 1000} s, idle cluster`,
  metrics: ['p50', 'p99', 'max'].map(name => ({ name, unit: 'ms', better: 'less' as const })),
  entrants: [
    latencyEntrant('cluster-worker'),
    latencyEntrant('cluster-worker', 'cluster-worker, polling alone', {
      listen: false,
      pollInterval: pollMs,
      pollJitter: 0,
    }),
    latencyEntrant('graphile-worker'),
    latencyEntrant('pg-boss-work'),
    latencyEntrant('dbos'),
    latencyEntrant('bullmq'),
  ],
  bars: [
    { metric: 'p50', of: 'cluster-worker', to: 'best peer', atMost: 0.8 },
    { metric: 'p99', of: 'cluster-worker', to: 'best peer', atMost: 1 },
    { metric: 'p50', of: 'cluster-worker', to: 'bullmq', atMost: 1 },
    { metric: 'max', of: 'cluster-worker, polling alone', to: 'itself', atMost: pollMs + 10 },
  ],
  isQuick: true,
}

function latencyEntrant(
  contender: ContenderName,
  name: string = contender,
  settings: WorkOrder['settings'] = {},
): Entrant {
  return {
    name,
    contender,
    isPeer: contenders[contender].isPeer,
    measure: (arena, plan) =>
      arena.inDatabase(contender, place => measure(place, millisecondsOf(plan, fullMs), settings)),
  }
}

async function measure(
  place: Place,
  durationMs: number,
  settings: WorkOrder['settings'],
): Promise<Sample> {
  const jobs = warmUp + Math.ceil((durationMs * perSecond) / 1000)
  // A queue that is made by the first enqueue shall be there when the worker looks for it.
  await place.client.enqueue({ kind: 'noop', n: 0, priority: 0 })
  return withWorkers(place, { jobs, settings }, async workers => {
    const limit = AbortSignal.timeout(60_000)
    await Promise.all(workers.map(worker => worker.start()))
    await untilStarted(workers, 1, limit)
    const calledAt = await enqueueInTime(place, jobs)
    await untilStarted(workers, jobs, limit)
    await untilNothingIsLeft(place.client, limit)
    const reports = await Promise.all(workers.map(worker => worker.report()))
    const startedAt = joinLedgers(reports, jobs)
    const latencies = startedAt
      .map((at, n) => at - (calledAt[n] ?? 0))
      .slice(warmUp)
      .toSorted()
    const at = (part: number): number => quantile(latencies, part)
    return { p50: at(0.5), p99: at(0.99), max: at(1) }
  })
}

/** One after the other at its moment, whether or not the ones before have been answered. */
async function enqueueInTime({ client }: Place, jobs: number): Promise<Float64Array> {
  const calledAt = new Float64Array(jobs)
  const calls: Promise<unknown>[] = []
  const begunAt = now()
  for (let n = 1; n < jobs; n++) {
    const waitMs = begunAt + (n * 1000) / perSecond - now()
    if (waitMs > 0) await delay(waitMs)
    calledAt[n] = now()
    calls.push(client.enqueue({ kind: 'noop', n, priority: 0 }))
  }
  await Promise.all(calls)
  return calledAt
}
