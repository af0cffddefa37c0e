import { parseDuration, type Duration } from './base/duration.ts'
import { ClusterError } from './errors.ts'
import type { Waiter } from './waiter.ts'

export interface WaitOptions {
  /** Defaults to no limit. */
  timeout?: Duration
  signal?: AbortSignal
}

/**
 * Waits until a request has finished.
 * @throws {ClusterError} CW_WAIT_TIMEOUT; and the reason of the signal, when it is aborted
 */
export async function waitForFinish(
  waiter: Waiter,
  id: string,
  { timeout, signal }: WaitOptions,
): Promise<void> {
  const limit =
    timeout === undefined ? undefined : AbortSignal.timeout(parseDuration(timeout, 'timeout'))
  const signals = [limit, signal].filter(one => one !== undefined)
  if (await waiter.wait(id, AbortSignal.any(signals))) return
  signal?.throwIfAborted()
  throw new ClusterError('CW_WAIT_TIMEOUT', `request ${id} did not finish within ${timeout}`, {
    field: 'timeout',
  })
}
