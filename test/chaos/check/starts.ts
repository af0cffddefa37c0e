import type { ClaimRow } from '../evidence.ts'
import { findRepeated, groupBy, type Invariant } from './invariant.ts'

export const startedOnce: Invariant = {
  name: 'a request is started at most once',
  find({ ledger, claims }) {
    const begun = ledger.filter(({ act }) => act === 'begin')
    const steps = findRepeated(begun.map(({ requestId, step }) => `${requestId} (${step})`))
    const tokens = [...groupBy(ledger, ({ requestId }) => requestId)].filter(
      ([, lines]) => new Set(lines.map(({ token }) => token)).size > 1,
    )
    return [
      ...steps.map(step => `the ledger has two starts of request ${step}`),
      ...tokens.map(([id]) => `the ledger has lines of two claims of request ${id}`),
      ...findRepeated(claims.map(({ id }) => id)).map(id => `request ${id} was claimed twice`),
    ]
  },
}

export const startedAfterClaim: Invariant = {
  name: 'what starts was claimed, with that token and by that server',
  find({ ledger, claims, incarnations }) {
    const claimed = new Map(
      claims.map(claim => [`${claim.id}/${tokenOfRun(claim)}`, claim.incarnation]),
    )
    const owners = new Map(incarnations.map(({ id, node, pid }) => [id, `${node}/${pid}`]))
    const seen = new Set<string>()
    return ledger.flatMap(({ requestId, token, node, server }) => {
      const key = `${requestId}/${token}`
      if (seen.has(key)) return []
      seen.add(key)
      const incarnation = claimed.get(key)
      if (incarnation === undefined)
        return [`request ${requestId} was run by ${node} with a token that claimed nothing`]
      if (owners.get(incarnation) === `${node}/${server}`) return []
      return [
        `request ${requestId} was claimed by incarnation ${incarnation} and run by ${node}/${server}`,
      ]
    })
  },
}

export const succeededAfterStart: Invariant = {
  name: 'what succeeded was started, and its steps ended',
  find({ ledger, finished, requests }) {
    const compensations = new Set(
      requests.flatMap(({ id, compensates }) => (compensates === null ? [] : [id])),
    )
    const lines = groupBy(ledger, ({ requestId }) => requestId)
    return finished.flatMap(({ id, outcome }) => {
      // A compensation has undos and on-failure steps only.
      if (outcome !== 'succeeded' || compensations.has(id)) return []
      const own = lines.get(id) ?? []
      const begun = own.filter(({ act }) => act === 'begin').length
      const ended = own.filter(({ act }) => act === 'end').length
      if (begun === ended && begun > 0) return []
      return [`request ${id} succeeded; ${begun} of its steps began and ${ended} ended`]
    })
  },
}

/** One claim takes many requests; a run's token is the claim's and the request's id. */
function tokenOfRun({ id, token }: ClaimRow): string {
  return `${token}:${id}`
}
