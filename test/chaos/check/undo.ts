import type { Evidence } from '../evidence.ts'
import type { LedgerLine } from '../ledger.ts'
import { findRepeated, groupBy, type Invariant } from './invariant.ts'

export const undoneInReverse: Invariant = {
  name: 'finished steps are undone once, last first, when nothing else runs',
  find: evidence => [...linesByOrigin(evidence)].flatMap(([id, lines]) => findFaults(id, lines)),
}

/** What a compensation does, and one that compensates it, belongs to the request that was lost first. */
function linesByOrigin({ ledger, requests }: Evidence): Map<string, LedgerLine[]> {
  const compensated = new Map(requests.map(({ id, compensates }) => [id, compensates]))
  const originOf = (id: string): string => {
    const lost = compensated.get(id)
    return lost ? originOf(lost) : id
  }
  return groupBy(ledger, ({ requestId }) => originOf(requestId))
}

function findFaults(id: string, lines: readonly LedgerLine[]): string[] {
  const stepsOf = (act: LedgerLine['act']): string[] =>
    lines.filter(line => line.act === act).map(({ step }) => step)
  const undone = stepsOf('undo')
  const ended = stepsOf('end')
  const lastBegin = lines.findLastIndex(({ act }) => act === 'begin')
  const firstUndo = lines.findIndex(({ act }) => act === 'undo')
  const firstFailure = lines.findIndex(({ act }) => act === 'failure')
  const lastUndo = lines.findLastIndex(({ act }) => act === 'undo')
  const expected = ended.filter(step => undone.includes(step)).toReversed()
  return [
    ...findRepeated(undone).map(step => `step ${step} of request ${id} was undone twice`),
    ...findRepeated(stepsOf('failure')).map(
      step => `on-failure step ${step} of request ${id} ran twice`,
    ),
    ...(new Set(undone).size === undone.length && String(undone) !== String(expected)
      ? [`request ${id} finished ${ended.join(', ')} and undid ${undone.join(', ')}`]
      : []),
    ...(firstUndo >= 0 && firstUndo < lastBegin
      ? [`request ${id} began a step after its first undo`]
      : []),
    ...(firstFailure >= 0 && firstFailure < Math.max(lastUndo, lastBegin)
      ? [`request ${id} ran an on-failure step before its last step or undo`]
      : []),
  ]
}
