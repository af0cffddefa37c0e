import { findRepeated, type Invariant } from './invariant.ts'

export const finishedForGood: Invariant = {
  name: 'a finished state never changes',
  find({ finishes, finished, changedMeanwhile }) {
    const now = new Map(
      finished.map(row => [row.id, `${row.outcome}/${row.reason}/${row.incarnation}`]),
    )
    const changed = finishes.filter(
      row => now.get(row.id) !== `${row.outcome}/${row.reason}/${row.incarnation}`,
    )
    return [
      ...changedMeanwhile.map(id => `the end of request ${id} was seen to change`),
      ...changed.map(
        ({ id, outcome }) =>
          `request ${id} ended as ${outcome} and is ${now.get(id) ?? 'gone'} now`,
      ),
      ...findRepeated(finishes.map(({ id }) => id)).map(id => `request ${id} ended twice`),
    ]
  },
}

/** The ledger's clock counts in hundredths of a second. */
const toleranceMs = 30

export const nothingAfterTheEnd: Invariant = {
  name: 'nothing starts after the end of its request',
  find: ({ ledger, firstSeen }) =>
    ledger.flatMap(({ requestId, act, step, clockMs }) => {
      const lateMs = clockMs - (firstSeen.get(requestId) ?? Infinity)
      const isStart = act === 'begin' || act === 'undo' || act === 'failure'
      return isStart && lateMs > toleranceMs
        ? [`${act} of ${step} of request ${requestId} came ${lateMs} ms after its end was seen`]
        : []
    }),
}
