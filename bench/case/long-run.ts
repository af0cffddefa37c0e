import { setTimeout as delay } from 'node:timers/promises'
import type { Place } from '../arena.ts'
import type { Case, Sample } from '../case.ts'
import type { BenchClient } from '../contender.ts'
import { checkDone, untilNothingIsLeft, untilStarted, withWorkers } from '../drain.ts'
import { joinLedgers } from '../ledger.ts'
import { amountOf } from '../plan.ts'
import { watchMemory } from '../process-usage.ts'
import { quantile } from '../statistics.ts'

const full = 150_000
const depth = 10_000
const batch = 1000

/** Whether a server and its tables stay as they are while many requests pass. */
export const longRunCase: Case = {
  name: 'long-run',
  title: plan =>
    `${amountOf(plan, full)} requests through one server, never more than ${Math.min(depth, amountOf(plan, full))} queued (scaled down from 1,000,000; --case long-run --scale 6.7 has them all)`,
  metrics: [
    { name: 'memory', unit: '× (last quarter to second quarter)', better: 'less' },
    { name: 'heap', unit: '× (end to half, what is in use)', better: 'less' },
    { name: 'tables', unit: '× fresh', better: 'less' },
    { name: 'rate', unit: '/s', better: 'more' },
  ],
  entrants: [
    {
      name: 'cluster-worker',
      contender: 'cluster-worker',
      isPeer: false,
      measure: (arena, plan) =>
        arena.inDatabase('cluster-worker', place => measure(place, amountOf(plan, full))),
    },
  ],
  bars: [
    { metric: 'memory', of: 'cluster-worker', to: 'itself', atMost: 1.1 },
    { metric: 'heap', of: 'cluster-worker', to: 'itself', atMost: 1.1 },
    { metric: 'tables', of: 'cluster-worker', to: 'itself', atMost: 2 },
  ],
  isQuick: false,
  isOnce: true,
}

async function measure(place: Place, jobs: number): Promise<Sample> {
  const { client } = place
  const first = Math.min(depth, jobs)
  await feed(client, 0, first, () => 0)
  const fresh = await sizeOfHotTables(place)
  return withWorkers(place, { jobs }, async workers => {
    const [worker] = workers
    if (!worker) throw new Error('expected a worker')
    await worker.start()
    const memory = watchMemory(worker.pid)
    const half = Math.max(first, Math.round(jobs / 2))
    const heapAfter = async (from: number, to: number): Promise<number> => {
      await feed(client, from, to, () => worker.started)
      await untilStarted(workers, to, AbortSignal.timeout(300_000))
      await untilNothingIsLeft(client)
      return worker.measureHeap()
    }
    // The collector takes memory as it likes; a leak shows in what it cannot take back.
    const heaps = [await heapAfter(first, half), await heapAfter(half, jobs)] as const
    const used = memory.stop()
    const size = await sizeOfHotTables(place)
    const starts = joinLedgers([await worker.report()], jobs).toSorted()
    await checkDone(client, jobs)
    const tookMs = (starts.at(-1) ?? 0) - (starts[0] ?? 0)
    return {
      ...(used.length >= 8 && { memory: quarter(used, 3) / quarter(used, 1) }),
      heap: heaps[1] / heaps[0],
      tables: size / fresh,
      rate: (jobs / tookMs) * 1000,
    }
  })
}

/** Enqueues the jobs of these numbers, as fast as the queue does not get too long. */
async function feed(
  client: BenchClient,
  from: number,
  to: number,
  countStarted: () => number,
): Promise<void> {
  for (let n = from; n < to; n += batch) {
    while (n - countStarted() >= depth) await delay(2)
    const length = Math.min(batch, to - n)
    await client.enqueueMany(
      Array.from({ length }, (_, index) => ({ kind: 'noop', n: n + index, priority: 0 })),
    )
  }
}

/** The median of one quarter of the samples. */
function quarter(samples: readonly number[], index: number): number {
  const length = samples.length / 4
  const part = samples.slice(Math.floor(index * length), Math.floor((index + 1) * length))
  return quantile(
    part.toSorted((a, b) => a - b),
    0.5,
  )
}

/** With their indexes, in bytes. */
async function sizeOfHotTables({ session }: Place): Promise<number> {
  const { rows } = await session.query<{ bytes: number }>(`
    select sum(pg_total_relation_size('cluster_worker.' || name))::float8 as bytes
    from unnest(array['queue', 'running', 'scheduled']) as hot (name)`)
  return rows[0]?.bytes ?? 0
}
