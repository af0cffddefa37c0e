import type { Case } from '../case.ts'
import { amountOf } from '../plan.ts'
import { drainEntrant, rateMetric } from './drain-entrant.ts'

const full = 10_000

/** Five function steps, each with a durable record. */
export const stepsCase: Case = {
  name: 'steps',
  title: plan =>
    `drain of ${amountOf(plan, full)} processes of five steps with durable records (dbos: fewer)`,
  metrics: [rateMetric],
  entrants: [
    drainEntrant('cluster-worker', full, { kinds: ['five'] }),
    drainEntrant('dbos', full, { kinds: ['five'] }),
  ],
  bars: [{ metric: 'rate', of: 'cluster-worker', to: 'dbos', atLeast: 20 }],
  isQuick: true,
}
