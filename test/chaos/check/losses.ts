import type { LossSample } from '../evidence.ts'
import type { Invariant } from './invariant.ts'

export const stoppedWhenLost: Invariant = {
  name: 'when a row says server_lost, none of its processes lives',
  find: ({ losses }) => losses.filter(({ isUnguarded }) => !isUnguarded).flatMap(describe),
}

/** Nothing that could stop the commands is left then; docs/decisions/0017-guardian.md. */
export const stoppedWithoutGuardian: Invariant = {
  name: 'the same, when server and guardian were killed together',
  isKnownLimit: true,
  find: ({ losses }) => losses.filter(({ isUnguarded }) => isUnguarded).flatMap(describe),
}

function describe({ node, alive }: LossSample): string[] {
  return alive.map(
    ({ requestId, pid }) =>
      `process ${pid} of request ${requestId} of ${node} lived when its row said server_lost`,
  )
}
