import { setTimeout as delay } from 'node:timers/promises'
import { jitter } from '../base/random.ts'
import { ClusterError } from '../errors.ts'
import { isConnectionFailure } from './translate-error.ts'

const backoff = { first: 50, longest: 1000 }

/**
 * Asks the database again and again while it cannot be reached: what a run does in between survives its restart.
 * @param ask must bear being repeated: the answer may have been lost, and not the question
 * @throws what `ask` throws when the database was reached; the signal's reason when it is aborted
 */
export async function untilAnswered<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      if (!isDatabaseGone(error)) throw error
      const pauseMs = jitter(Math.min(backoff.first * 2 ** failures, backoff.longest), 0.5)
      // Ended by the signal it rejects with an error of its own; the reason is thrown above.
      await delay(pauseMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** The store may be in the database, too. */
function isDatabaseGone(error: unknown): boolean {
  if (!(error instanceof ClusterError)) return isConnectionFailure(error)
  return (
    isConnectionFailure(error) ||
    (error.cause instanceof ClusterError && isConnectionFailure(error.cause))
  )
}
