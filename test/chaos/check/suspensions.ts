import { groupBy, type Invariant } from './invariant.ts'

/** The ledger's clock counts in hundredths of a second. */
const toleranceMs = 30

export const nothingWhileSuspended: Invariant = {
  name: 'a suspended server starts nothing after its acknowledgement',
  find({ suspensions, claims, incarnations, ledger }) {
    const nodes = new Map(incarnations.map(({ id, node }) => [id, node]))
    const starts = [...groupBy(ledger, ({ requestId }) => requestId).values()].flatMap(
      ([first]) => first ?? [],
    )
    return suspensions.flatMap(({ node, from, to }) => [
      ...claims
        .filter(
          ({ seq, incarnation }) =>
            seq > from.claim && seq <= to.claim && nodes.get(incarnation) === node,
        )
        .map(({ id }) => `${node} claimed request ${id} while it was suspended`),
      ...starts
        .filter(
          line =>
            line.node === node &&
            line.clockMs > from.clockMs + toleranceMs &&
            line.clockMs < to.clockMs,
        )
        .map(({ requestId }) => `${node} started request ${requestId} while it was suspended`),
    ])
  },
}
