import type { Case } from '../case.ts'
import type { DrainOptions } from '../drain.ts'
import { amountOf } from '../plan.ts'
import { drainEntrant, rateMetric } from './drain-entrant.ts'

/** The drain with more processes, names or priorities, which must not cost anything. */
export const drainVariants: readonly Case[] = [
  // As many as in the drain itself: four processes have four times as much to warm up.
  variant('processes', 200_000, 'with 4 server processes', { workers: 4 }),
  variant('names', 50_000, 'with 100 process names', {
    kinds: Array.from({ length: 100 }, (_, index) => `noop-${index}`),
  }),
  variant('priorities', 50_000, 'with 3 priorities', { priorities: [0, 1, 2] }),
]

function variant(
  name: string,
  full: number,
  what: string,
  options: Omit<DrainOptions, 'jobs'>,
): Case {
  return {
    name,
    title: plan => `drain of ${amountOf(plan, full)} no-op function requests ${what}`,
    metrics: [rateMetric],
    entrants: [
      drainEntrant('cluster-worker', full, options),
      drainEntrant('cluster-worker', full, { name: 'cluster-worker, plain' }),
      drainEntrant('graphile-worker', full, options),
      drainEntrant('pg-boss', full, options),
    ],
    bars: [
      { metric: 'rate', of: 'cluster-worker', to: 'cluster-worker, plain', atLeast: 1 },
      { metric: 'rate', of: 'cluster-worker', to: 'best peer', atLeast: 1.5 },
    ],
    isQuick: false,
  }
}
