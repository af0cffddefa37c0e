import type { Invariant } from './invariant.ts'

export const logsWithoutGaps: Invariant = {
  name: 'logs have no gaps',
  find: ({ logs }) =>
    logs
      .filter(({ pieces, first, last }) => first !== 1 || pieces !== last)
      .map(
        ({ requestId, pieces, first, last }) =>
          `the log of request ${requestId} has ${pieces} pieces from ${first} to ${last}`,
      ),
}
