import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from './base/clock.ts'
import { parseDuration, type Duration } from './base/duration.ts'
import { isTransient } from './db/translate-error.ts'
import { ClusterError } from './errors.ts'

/** How one waits for a server to do something. */
export interface ComponentWaitOptions {
  /** Defaults to `2m` for a check, and to no limit for an import. */
  timeout?: Duration
  signal?: AbortSignal
}

/** The pauses between two looks, in milliseconds. */
const looks = { first: 20, longest: 500 }

/**
 * Looks again and again until there is an answer, also while the database is away.
 * @param what the sentence for the error, such as `no server has checked app`
 * @throws {ClusterError} CW_WAIT_TIMEOUT
 */
export async function waitForAnswer<T>(
  what: string,
  { timeout, signal }: ComponentWaitOptions,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const limitMs = timeout === undefined ? Infinity : parseDuration(timeout, 'timeout')
  const endAt = monotonic() + limitMs
  for (let pauseMs = looks.first; ; pauseMs = Math.min(pauseMs * 2, looks.longest)) {
    const found = await look().catch((error: unknown) => {
      // The database restarts: the answer comes afterwards.
      if (isTransient(error) && monotonic() < endAt) return undefined
      throw error
    })
    if (found !== undefined) return found
    if (monotonic() >= endAt)
      throw new ClusterError(
        'CW_WAIT_TIMEOUT',
        `${what} within ${typeof timeout === 'number' ? `${timeout} ms` : timeout}; is a server running that may, and not suspended?`,
        {
          field: 'timeout',
        },
      )
    await delay(Math.min(pauseMs, Math.max(endAt - monotonic(), 1)), undefined, {
      ...(signal && { signal }),
    })
  }
}
