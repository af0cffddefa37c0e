import { connect, type Place } from '../arena.ts'
import type { Case, Entrant } from '../case.ts'
import { contenders, type ContenderName } from '../contenders.ts'
import { drain } from '../drain.ts'
import { amountOf, type Plan } from '../plan.ts'
import { rateMetric } from './drain-entrant.ts'

const claims = 25_000
const finished = 300_000
const queued = 100_000
const unservable = 50_000
const passed = 40_000

/** What must not make claims slower: history, a long queue, work for others, a transaction that stays open. */
export const crowdedCases: readonly Case[] = [
  {
    name: 'backlog',
    title: plan =>
      `rate of the first ${amountOf(plan, claims)} starts with ${amountOf(plan, finished)} finished and ${amountOf(plan, queued)} queued requests (scaled down from 5,000,000 and 1,000,000)`,
    metrics: [rateMetric],
    entrants: [
      claimEntrant('cluster-worker', plan => amountOf(plan, queued), fillHistory),
      claimEntrant('cluster-worker, short queue', plan => amountOf(plan, claims)),
    ],
    bars: [
      { metric: 'rate', of: 'cluster-worker', to: 'cluster-worker, short queue', atLeast: 0.9 },
    ],
    isQuick: false,
  },
  {
    name: 'unservable',
    title: plan =>
      `rate of ${amountOf(plan, claims)} starts behind ${amountOf(plan, unservable)} requests that this server cannot run`,
    metrics: [rateMetric],
    entrants: [
      claimEntrant('cluster-worker', plan => amountOf(plan, claims), fillForOthers),
      claimEntrant('cluster-worker, without them', plan => amountOf(plan, claims)),
    ],
    bars: [
      { metric: 'rate', of: 'cluster-worker', to: 'cluster-worker, without them', atLeast: 0.9 },
    ],
    isQuick: false,
  },
  {
    name: 'open-transaction',
    title: plan =>
      `rate of the last quarter of ${amountOf(plan, passed)} starts while a foreign transaction stays open (scaled down from 500,000)`,
    metrics: [rateMetric],
    entrants: [
      lateEntrant('cluster-worker', true),
      lateEntrant('cluster-worker', false),
      lateEntrant('graphile-worker', true),
      lateEntrant('pg-boss', true),
    ],
    bars: [
      { metric: 'rate', of: 'cluster-worker', to: 'cluster-worker, without it', atLeast: 0.8 },
      { metric: 'rate', of: 'cluster-worker', to: 'best peer', atLeast: 1 },
    ],
    isQuick: false,
  },
]

/** The rate of the first starts of ours, after the tables were filled. */
function claimEntrant(
  name: string,
  jobsOf: (plan: Plan) => number,
  fill?: (place: Place, plan: Plan) => Promise<void>,
): Entrant {
  return {
    name,
    contender: 'cluster-worker',
    isPeer: false,
    measure: (arena, plan) =>
      arena.inDatabase('cluster-worker', async place => {
        await fill?.(place, plan)
        const until = amountOf(plan, claims)
        const { rate } = await drain(place, { jobs: jobsOf(plan), until })
        return { rate }
      }),
  }
}

/** The rate late in a drain, with a transaction beside it that sees all that was there when it began. */
function lateEntrant(contender: ContenderName, isOpen: boolean): Entrant {
  return {
    name: isOpen ? contender : `${contender}, without it`,
    contender,
    isPeer: contenders[contender].isPeer,
    measure: (arena, plan) =>
      arena.inDatabase(contender, async place => {
        const foreign = await connect(place.url)
        try {
          const jobs = amountOf(plan, passed)
          const arrange = async (): Promise<void> => {
            if (isOpen)
              await foreign.query('begin isolation level repeatable read; select txid_current()')
          }
          const { starts } = await drain(place, { jobs, arrange })
          const last = starts.subarray(Math.floor((jobs * 3) / 4))
          const tookMs = (last.at(-1) ?? 0) - (last[0] ?? 0)
          return { rate: (last.length / tookMs) * 1000 }
        } finally {
          await foreign.end()
        }
      }),
  }
}

/** Requests of long ago, written at once. */
async function fillHistory({ session }: Place, plan: Plan): Promise<void> {
  await session.query(
    `
      with made as (
        insert into cluster_worker.request (id, lane, priority, input)
        select nextval('cluster_worker.request_id'), 0, 0, '{"n": 0}' from generate_series(1, $1)
        returning id
      )
      insert into cluster_worker.finished (id, outcome, started_at)
      select id, 'succeeded', now() from made`,
    [amountOf(plan, finished)],
  )
}

/** Requests that come first, of a process that nobody here knows. */
async function fillForOthers({ client }: Place, plan: Plan): Promise<void> {
  const count = amountOf(plan, unservable)
  for (let n = 0; n < count; n += 1000) {
    const jobs = Array.from({ length: Math.min(1000, count - n) }, () => {
      return { kind: 'elsewhere', n: 0, priority: 9 }
    })
    await client.enqueueMany(jobs)
  }
}
