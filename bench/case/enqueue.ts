import type { Place } from '../arena.ts'
import type { Case, Entrant } from '../case.ts'
import { contenders, type ContenderName } from '../contenders.ts'
import type { BenchClient, Job } from '../contender.ts'
import { now } from '../ledger.ts'
import { millisecondsOf } from '../plan.ts'
import { rateMetric } from './drain-entrant.ts'

const fullMs = 1500

/** How many calls are under way at a time. */
const atATime = 10

const batch = 1000

const everybody = [
  'cluster-worker',
  'graphile-worker',
  'pg-boss',
  'dbos',
  'bullmq',
  'bare',
] as const

/** How fast requests come in, with no server running. */
export const enqueueCases: readonly Case[] = [
  {
    name: 'enqueue',
    title: plan =>
      `single enqueues, ${atATime} at a time, for ${millisecondsOf(plan, fullMs) / 1000} s`,
    metrics: [rateMetric],
    entrants: everybody.map(name =>
      enqueueEntrant(name, atATime, 1, (client, [job]) => client.enqueue(job as Job)),
    ),
    bars: [
      { metric: 'rate', of: 'cluster-worker', to: 'best peer', atLeast: 3 },
      { metric: 'rate', of: 'cluster-worker', to: 'bullmq', atLeast: 1 },
    ],
    isQuick: true,
  },
  {
    name: 'enqueue-batch',
    title: plan =>
      `enqueues in batches of ${batch}, one call at a time, for ${millisecondsOf(plan, fullMs) / 1000} s`,
    metrics: [rateMetric],
    // dbos has no call for many.
    entrants: everybody
      .filter(name => name !== 'dbos')
      .map(name => enqueueEntrant(name, 1, batch, (client, jobs) => client.enqueueMany(jobs))),
    bars: [
      { metric: 'rate', of: 'cluster-worker', to: 'best peer', atLeast: 1.5 },
      { metric: 'rate', of: 'cluster-worker', to: 'bullmq', atLeast: 1 },
    ],
    isQuick: true,
  },
]

type Send = (client: BenchClient, jobs: readonly Job[]) => Promise<unknown>

function enqueueEntrant(name: ContenderName, loops: number, size: number, send: Send): Entrant {
  return {
    name,
    contender: name,
    isPeer: contenders[name].isPeer,
    measure: (arena, plan) =>
      arena.inDatabase(name, async place => ({
        rate: await measure(place, millisecondsOf(plan, fullMs), loops, size, send),
      })),
  }
}

async function measure(
  { client, session }: Place,
  durationMs: number,
  loops: number,
  size: number,
  send: Send,
): Promise<number> {
  let count = 0
  const sendOnce = async (): Promise<void> => {
    const from = count
    count += size
    const jobs = Array.from({ length: size }, (_, n) => ({
      kind: 'noop',
      n: from + n,
      priority: 0,
    }))
    await send(client, jobs)
  }
  // Connections, plans and queues are made by the first calls.
  await Promise.all(Array.from({ length: loops }, sendOnce))
  await session.query('checkpoint')
  const before = count
  const begunAt = now()
  const loop = async (): Promise<void> => {
    while (now() - begunAt < durationMs) await sendOnce()
  }
  await Promise.all(Array.from({ length: loops }, loop))
  const seconds = (now() - begunAt) / 1000
  const left = await client.countLeft()
  if (left !== count) throw new Error(`the database has ${left} of ${count} jobs`)
  return (count - before) / seconds
}
