import { setTimeout as delay } from 'node:timers/promises'
import { jitter } from './random.ts'

export interface Attempts<Answer> {
  /** One attempt. Must bear being repeated. */
  readonly attempt: () => Promise<Answer>
  /** Whether another one may succeed, because only the connection failed. */
  readonly isTransient: (error: unknown) => boolean
  /** Ends the repeating, and the waiting for the attempt that is under way. */
  readonly signal: AbortSignal
}

/** The pauses between the attempts, in milliseconds. */
const backoff = { first: 50, longest: 1000 }

/**
 * Tries again and again until an attempt succeeds.
 * @throws what an attempt threw that cannot succeed; the signal's reason
 */
export async function untilDone<Answer>(attempts: Attempts<Answer>): Promise<Answer> {
  const { attempt, isTransient, signal } = attempts
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted()
    try {
      return await orAborted(attempt(), signal)
    } catch (error) {
      if (!isTransient(error)) throw error
      const pauseMs = jitter(Math.min(backoff.first * 2 ** failures, backoff.longest), 0.5)
      // Ended by the signal it rejects with an error of its own; the reason is thrown above.
      await delay(pauseMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** The promise, or the signal's reason as soon as it is aborted: nobody waits for a dead connection then. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
