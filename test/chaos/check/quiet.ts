import type { Invariant } from './invariant.ts'

export const nothingIsLeft: Invariant = {
  name: 'at rest, no session, lock or transaction is left',
  find({ quiet }) {
    const { unfinished, leakedLocks, idleInTransaction, preparedTransactions } = quiet
    const { hanging, sessionsAfterLeaving, locksAfterLeaving } = quiet
    const counts = {
      'requests are not finished': unfinished,
      'sessions are idle in a transaction': idleInTransaction,
      'transactions are prepared': preparedTransactions,
      'locks are held after all servers have left': locksAfterLeaving,
    }
    return [
      ...Object.entries(counts).flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : [])),
      ...hanging.map(node => `${node} did not leave when it was asked to`),
      ...leakedLocks.map(incarnation => `incarnation ${incarnation} is over and holds its lock`),
      ...sessionsAfterLeaving.map(
        name => `a session of '${name}' is left after all servers have left`,
      ),
    ]
  },
}
