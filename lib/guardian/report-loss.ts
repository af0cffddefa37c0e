import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from '../base/clock.ts'
import { jitter } from '../base/random.ts'
import { openDatabase } from '../db/connection-settings.ts'
import { declareLost } from '../db/incarnations.ts'
import { isTransient } from '../db/translate-error.ts'
import type { Charge } from './message.ts'

/** How long a database that cannot be reached is tried, in milliseconds. */
const longestTryMs = 600_000

/** The pauses between the tries, in milliseconds. */
const backoff = { first: 50, longest: 5000 }

/** A network that swallows everything must not hold up the next try, in milliseconds. */
const longestAnswerMs = 10_000

/**
 * Declares the incarnation lost, unless somebody else has. Tries for ten minutes while the database is away.
 * @param killed when nothing is left, the processes that could not be killed; until then it only connects
 * @throws when it cannot be done: the other servers will notice the loss, later
 */
export async function reportLoss(
  charge: Charge,
  killed: Promise<readonly number[]>,
): Promise<void> {
  const { incarnation, schema, connection } = charge
  const db = openDatabase(connection, {
    schema,
    applicationName: 'cluster-worker guardian',
    longestAnswerMs,
  })
  // A connection takes its time, which need not come after the killing. If it fails, the report tries again.
  db.query({ text: 'select 1' }).catch(() => undefined)
  const survivors = await killed
  const reporter = reporterOf('its guardian', survivors)
  const startedAt = monotonic()
  for (let failures = 0; ; failures++) {
    try {
      await declareLost(db, incarnation, reporter)
      return
    } catch (error) {
      if (!isTransient(error) || monotonic() - startedAt > longestTryMs) throw error
      await delay(jitter(Math.min(backoff.first * 2 ** failures, backoff.longest), 0.5))
    }
  }
}

/** Who reports a loss, and what that one was not allowed to stop. */
export function reporterOf(name: string, survivors: readonly number[]): string {
  return survivors.length === 0
    ? name
    : `${name}, which was not allowed to stop the processes ${survivors.join(', ')}`
}
