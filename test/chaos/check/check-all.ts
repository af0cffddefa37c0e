import type { Evidence } from '../evidence.ts'
import { finishedForGood, nothingAfterTheEnd } from './endings.ts'
import type { Invariant } from './invariant.ts'
import { logsWithoutGaps } from './logs.ts'
import { stoppedWhenLost, stoppedWithoutGuardian } from './losses.ts'
import { onlyTheDeadAreLost, onlyTheStarvedAreLost, ownedByTheLiving } from './owners.ts'
import { everythingHappened } from './probes.ts'
import { nothingIsLeft } from './quiet.ts'
import { acknowledgedIsKept, oneRoom } from './requests.ts'
import { startedAfterClaim, startedOnce, succeededAfterStart } from './starts.ts'
import { nothingWhileSuspended } from './suspensions.ts'
import { undoneInReverse } from './undo.ts'

export const invariants: readonly Invariant[] = [
  startedOnce,
  startedAfterClaim,
  succeededAfterStart,
  acknowledgedIsKept,
  oneRoom,
  finishedForGood,
  nothingAfterTheEnd,
  stoppedWhenLost,
  stoppedWithoutGuardian,
  ownedByTheLiving,
  onlyTheDeadAreLost,
  onlyTheStarvedAreLost,
  undoneInReverse,
  nothingWhileSuspended,
  logsWithoutGaps,
  nothingIsLeft,
  everythingHappened,
]

export interface Verdict {
  readonly invariant: string
  readonly isKnownLimit: boolean
  readonly violations: readonly string[]
}

/** Looks at everything, in the order of the list. */
export function checkAll(evidence: Evidence): Verdict[] {
  return invariants.map(one => ({
    invariant: one.name,
    isKnownLimit: one.isKnownLimit ?? false,
    violations: one.find(evidence),
  }))
}

/** How many violations fail the run. */
export function countViolations(verdicts: readonly Verdict[]): number {
  return verdicts
    .filter(({ isKnownLimit }) => !isKnownLimit)
    .reduce((sum, { violations }) => sum + violations.length, 0)
}
