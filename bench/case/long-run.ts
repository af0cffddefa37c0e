import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Place } from '../arena.ts'
import type { Case, Sample } from '../case.ts'
import type { BenchClient } from '../contender.ts'
import { checkDone, untilNothingIsLeft, untilStarted, withWorkers } from '../drain.ts'
import { joinLedgers } from '../ledger.ts'
import { amountOf } from '../plan.ts'
import { watchMemory } from '../process-usage.ts'
import { quantile } from '../statistics.ts'

const full = 1_000_000
const depth = 10_000
const batch = 1000

/** What a busy server has in `running`: as many as it has slots. */
const slots = 2000

/** How often the size of the tables is looked at, in milliseconds. */
const lookMs = 100

/** Whether a server and its tables stay as they are while many requests pass. */
export const longRunCase: Case = {
  name: 'long-run',
  title: plan =>
    `${amountOf(plan, full)} requests through one server, never more than ${Math.min(depth, amountOf(plan, full))} queued; the tables at their largest, by what ${depth} queued and ${slots} running requests take in new ones`,
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
  const fresh = await measureFresh(place)
  return withWorkers(place, { jobs }, async workers => {
    const [worker] = workers
    if (!worker) throw new Error('expected a worker')
    await worker.start()
    const memory = watchMemory(worker.pid)
    const tables = watchTables(place)
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
    const largest = await tables.stop()
    const starts = joinLedgers([await worker.report()], jobs).toSorted()
    await checkDone(client, jobs)
    const tookMs = (starts.at(-1) ?? 0) - (starts[0] ?? 0)
    return {
      ...(used.length >= 8 && { memory: quarter(used, 3) / quarter(used, 1) }),
      heap: heaps[1] / heaps[0],
      tables: largest / fresh,
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

/** With what is queued now, and as many running requests in a table that is made for this look. */
async function measureFresh({ session }: Place): Promise<number> {
  await session.query(
    'create table cluster_worker.new_running (like cluster_worker.running including all)',
  )
  await session.query(`
    insert into cluster_worker.new_running (id, incarnation, token)
    select n, 1, gen_random_uuid() from generate_series(1, ${slots}) as n`)
  const bytes = await sizeOf(session, ['queue', 'new_running', 'scheduled'])
  await session.query('drop table cluster_worker.new_running')
  return bytes
}

/** Looks again and again how large the tables are that requests pass through. */
function watchTables({ session }: Place): { stop(): Promise<number> } {
  const stopping = new AbortController()
  const watching = (async () => {
    let largest = 0
    do {
      largest = Math.max(largest, await sizeOf(session, ['queue', 'running', 'scheduled']))
      await delay(lookMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    } while (!stopping.signal.aborted)
    return largest
  })()
  // After a failure nobody asks for it.
  watching.catch(() => undefined)
  return {
    /** Ends the looks and gives the most that they have seen, in bytes. */
    stop() {
      stopping.abort()
      return watching
    },
  }
}

/** With their indexes, in bytes. */
async function sizeOf(session: pg.Client, tables: readonly string[]): Promise<number> {
  const { rows } = await session.query<{ bytes: number }>(
    `select sum(pg_total_relation_size(format('cluster_worker.%I', name)))::float8 as bytes
    from unnest($1::text[]) as hot (name)`,
    [tables],
  )
  return rows[0]?.bytes ?? 0
}
