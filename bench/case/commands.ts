import { setTimeout as delay } from 'node:timers/promises'
import { execa } from 'execa'
import type { Place } from '../arena.ts'
import type { Case } from '../case.ts'
import { checkDone, enqueueAll, untilNothingIsLeft, withWorkers } from '../drain.ts'
import { now } from '../ledger.ts'
import { amountOf } from '../plan.ts'
import { rateMetric } from './drain-entrant.ts'

const full = 500
const slots = 8

/** Commands that do nothing: what a run costs beside its process. */
export const commandsCase: Case = {
  name: 'commands',
  title: plan =>
    `${amountOf(plan, full)} requests with a command step (true), 1 server, ${slots} slots`,
  metrics: [rateMetric],
  entrants: [
    {
      name: 'cluster-worker',
      contender: 'cluster-worker',
      isPeer: false,
      measure: (arena, plan) =>
        arena.inDatabase('cluster-worker', async place => ({
          rate: await runRequests(place, amountOf(plan, full)),
        })),
    },
    {
      name: 'execa loop',
      contender: 'bare',
      isPeer: false,
      measure: async (_arena, plan) => ({ rate: await runLoops(amountOf(plan, full)) }),
    },
  ],
  bars: [{ metric: 'rate', of: 'cluster-worker', to: 'execa loop', atLeast: 0.8 }],
  isQuick: true,
}

async function runRequests(place: Place, count: number): Promise<number> {
  const { client, session } = place
  const jobs = Array.from({ length: count }, (_, n) => ({ kind: 'true', n, priority: 0 }))
  await enqueueAll(client, jobs)
  const options = { jobs: count, kinds: ['true'], settings: { concurrency: slots } }
  return withWorkers(place, options, async workers => {
    await Promise.all(workers.map(worker => worker.start()))
    await untilNothingIsLeft(client)
    await checkDone(client, count)
    await checkExitCodes(place, count)
    const { rows } = await session.query<{ seconds: number }>(`
      select extract(epoch from max(finished_at) - min(started_at))::float8 as seconds
      from cluster_worker.finished`)
    return count / (rows[0]?.seconds ?? Infinity)
  })
}

/** Records may be written a moment after the end of a short step. */
async function checkExitCodes({ session }: Place, expected: number): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    const { rows } = await session.query<{ count: number }>(
      `select count(*)::integer as count from cluster_worker.step where exit_code = 0`,
    )
    if (rows[0]?.count === expected) return
    await delay(20)
  }
  throw new Error(`expected ${expected} commands that have ended with 0`)
}

async function runLoops(count: number): Promise<number> {
  let left = count
  const begunAt = now()
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left--
      await execa('true')
    }
  }
  await Promise.all(Array.from({ length: slots }, loop))
  return (count / (now() - begunAt)) * 1000
}
