import type { Case, Entrant } from '../case.ts'
import { hasProgram } from '../contenders.ts'
import { amountOf } from '../plan.ts'
import { drainEntrant, rateMetric } from './drain-entrant.ts'
import { measurePgbench } from './pgbench.ts'

const full = 200_000

const pgbench: Entrant = {
  name: 'pgbench',
  contender: 'bare',
  isPeer: false,
  measure: (arena, plan) =>
    arena.inDatabase('bare', async place => ({
      rate: await measurePgbench(place, amountOf(plan, full)),
    })),
}

/** The first row of all: how fast one server process empties the queue. */
export const drainCase: Case = {
  name: 'drain',
  title: plan =>
    `drain of ${amountOf(plan, full)} no-op function requests, one server process (slow peers: fewer requests)`,
  metrics: [rateMetric],
  entrants: [
    drainEntrant('cluster-worker', full),
    drainEntrant('graphile-worker', full),
    drainEntrant('pg-boss', full),
    drainEntrant('pg-boss-work', full),
    drainEntrant('dbos', full),
    drainEntrant('bullmq', full),
    drainEntrant('bare', full),
    ...(hasProgram('pgbench') ? [pgbench] : []),
  ],
  bars: [
    { metric: 'rate', of: 'cluster-worker', to: 'graphile-worker', atLeast: 2 },
    { metric: 'rate', of: 'cluster-worker', to: 'pg-boss', atLeast: 2.5 },
    { metric: 'rate', of: 'cluster-worker', to: 'bare', atLeast: 0.8 },
    { metric: 'rate', of: 'cluster-worker', to: 'bullmq', atLeast: 1 },
  ],
  isQuick: true,
}
