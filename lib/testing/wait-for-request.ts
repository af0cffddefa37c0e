import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from '../base/clock.ts'
import { parseDuration, type Duration } from '../base/duration.ts'
import type { Cluster } from '../cluster.ts'
import type { RequestRecord, RequestState } from '../db/status.ts'
import { ClusterError } from '../errors.ts'
import type { RequestId } from '../query.ts'
import { describeNodes, describeRequest } from './describe.ts'

export interface RequestWait {
  /** Defaults to `finished`. */
  state?: RequestState
  /** Defaults to `10s`. */
  timeout?: Duration
}

/** How often to look, in milliseconds. */
const lookMs = 25

/**
 * Waits until a request is in a state.
 * @param which its id, or the name of its process: then the newest request of that process, also one that is
 *   enqueued meanwhile
 * @throws {ClusterError} CW_WAIT_TIMEOUT when it is not, in time, or can no longer be, with all that is known of it:
 *   where it is, its steps, the end of its output, and the servers
 */
export async function waitForRequest(
  cluster: Cluster,
  which: RequestId | { process: string },
  { state = 'finished', timeout = '10s' }: RequestWait = {},
): Promise<RequestRecord> {
  const startedAt = monotonic()
  const timeoutMs = parseDuration(timeout, 'timeout')
  for (;;) {
    const request = await find(cluster, which)
    if (request?.state === state) return request
    const isTooLate = request?.state === 'finished'
    if (isTooLate || monotonic() - startedAt >= timeoutMs) {
      const when = isTooLate ? 'any more' : `within ${timeoutMs / 1000} s`
      throw await notReached(cluster, request, `${label(which, request)} is not ${state} ${when}`)
    }
    await delay(lookMs)
  }
}

async function find(
  cluster: Cluster,
  which: RequestId | { process: string },
): Promise<RequestRecord | undefined> {
  if (typeof which !== 'object') return cluster.get(which)
  const [newest] = await cluster.list({ process: which.process, limit: 1 })
  return newest && cluster.get(newest.id)
}

function label(which: RequestId | { process: string }, request: RequestRecord | undefined): string {
  if (request) return `request ${request.id} (${request.process})`
  return typeof which === 'object' ? `a request of '${which.process}'` : `request ${which}`
}

async function notReached(
  cluster: Cluster,
  request: RequestRecord | undefined,
  sentence: string,
): Promise<ClusterError> {
  const lines = [
    request
      ? `${sentence}: ${await describeRequest(cluster, request)}`
      : `${sentence}: there is none`,
    `servers: ${describeNodes(await cluster.nodes())}`,
  ]
  return new ClusterError('CW_WAIT_TIMEOUT', lines.join('\n'), { field: 'timeout' })
}
