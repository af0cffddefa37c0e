import type { Picture } from './picture.ts'
import type { PlannedRequest } from './plan.ts'
import type { Deployed } from './remains.ts'

/** Everything that is known when the demo is over. */
export interface Facts {
  /** What was enqueued, by id. */
  readonly planned: ReadonlyMap<string, PlannedRequest>
  readonly picture: Picture
  /** The node id of the server that was killed. */
  readonly killed: string
  /** The servers that began each request, as the steps wrote it down. */
  readonly ledger: ReadonlyMap<string, readonly string[]>
  /** What each deployment left, by id. */
  readonly deployed: ReadonlyMap<string, Deployed>
  /** How the other servers ended. */
  readonly exitCodes: readonly (number | string)[]
}

/** What did not come out as promised, in sentences. */
export function findBrokenPromises(facts: Facts): string[] {
  return [
    ...judgeRequests(facts),
    ...judgeCompensations(facts),
    ...judgeDeployments(facts),
    ...judgeServers(facts),
  ]
}

export function wasLost({ picture }: Pick<Facts, 'picture'>, id: string): boolean {
  return picture.requests.find(request => request.id === id)?.reason === 'server_lost'
}

function* judgeRequests({ planned, picture, killed, ledger }: Facts): Generator<string> {
  const found = new Map(picture.requests.map(request => [request.id, request]))
  for (const [id, { process, ending }] of planned) {
    const request = found.get(id)
    const about = `request ${id} (${process})`
    const starts = ledger.get(id) ?? []
    if (!request) yield `${about} is not in the database`
    else if (request.state !== 'finished') yield `${about} is still ${request.state}`
    else if (request.reason === 'server_lost') {
      if (request.node !== killed) yield `${about} is lost with ${request.node}, which lives`
    } else {
      if (request.outcome !== ending) yield `${about} ${request.outcome}, expected ${ending}`
      if (starts.length === 0) yield `${about} has finished and was never started`
    }
    if (starts.length > 1) yield `${about} was started ${starts.length} times: ${starts.join(', ')}`
    if (starts[0] !== undefined && starts[0] !== request?.node)
      yield `${about} was started by ${starts[0]}, not by ${request?.node}`
  }
}

function* judgeCompensations({ picture }: Facts): Generator<string> {
  for (const { id, compensates, node, outcome, reason } of picture.compensations)
    if (outcome !== 'succeeded')
      yield `request ${id}, which undoes ${compensates}, ${outcome} (${reason}) on ${node}`
}

function* judgeDeployments(facts: Facts): Generator<string> {
  for (const [id, { exists, version, notifications }] of facts.deployed) {
    if (wasLost(facts, id)) {
      // What the step that was killed had done is not undone, so something may be left.
      if (notifications.length !== 1)
        yield `deployment ${id} was lost and notified ${notifications.length} times`
      continue
    }
    const { input, ending } = facts.planned.get(id) ?? {}
    if (ending === 'succeeded' && version !== input?.['version'])
      yield `deployment ${id} succeeded, but ${version ?? 'nothing'} is deployed`
    if (ending === 'failed' && exists) yield `deployment ${id} failed and was not undone`
    if (notifications.length !== (ending === 'failed' ? 1 : 0))
      yield `deployment ${id} ${ending} and notified ${notifications.length} times`
  }
}

function* judgeServers({ picture, killed, exitCodes }: Facts): Generator<string> {
  for (const { node, state, running } of picture.nodes) {
    const expected = node === killed ? 'lost' : 'left'
    if (state !== expected) yield `the server ${node} is ${state}, expected ${expected}`
    if (running > 0) yield `the server ${node} is gone and runs ${running} requests`
  }
  for (const code of exitCodes) if (code !== 0) yield `a server drained and ended with ${code}`
}
