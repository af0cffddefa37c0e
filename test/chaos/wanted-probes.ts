import type { FaultKind } from './fault/fault.ts'
import { boundaries } from './fault/network.ts'

/** What a whole run must have seen, or it has proved less than it says. */
export function wantedProbes(kinds: readonly FaultKind[]): string[] {
  const moves = ['cluster_worker.claim', 'cluster_worker.finish', 'enqueue_batch']
  return [
    ...kinds.map(({ name }) => `fault: ${name}`),
    ...moves.flatMap(text =>
      boundaries.map(boundary => `a connection is cut ${boundary}: ${text}`),
    ),
    'an enqueue is repeated',
    'an enqueue whose answer was lost is found by its key',
    'a claim fails',
    'a cancel is answered: requested',
    'a cancel is answered: finished',
    'a guardian is replaced',
    'a server fences itself',
    'a server declares another one lost',
    'a compensation',
    'outcome: succeeded',
    'outcome: cancelled',
    'outcome: server_lost',
    'outcome: step_failed',
  ]
}
