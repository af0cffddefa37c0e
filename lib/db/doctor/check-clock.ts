import type { Finding } from '../../base/finding.ts'
import type { Queryable } from '../database.ts'

/** Differences of the clocks, in milliseconds. */
const worthANote = 1000
const worthAWarning = 60_000

/**
 * Compares the clock of the database with this machine's. Nothing in the cluster depends on it; people who compare
 * logs do, and certificates.
 * @param now this machine's clock
 */
export async function checkClock(
  session: Queryable,
  now: () => Date = () => new Date(),
): Promise<Finding[]> {
  const before = now().getTime()
  const { rows } = await session.query<{ ms: number }>({
    text: 'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  })
  const after = now().getTime()
  const theirs = rows[0]?.ms ?? before
  // It was read at some moment between; only what that cannot explain counts.
  const aheadMs = Math.max(before - theirs, 0) - Math.max(theirs - after, 0)
  const byMs = Math.abs(aheadMs)
  if (byMs <= worthANote) return []
  const isFar = byMs > worthAWarning
  return [
    {
      name: 'clocks-differ',
      level: isFar ? 'warning' : 'note',
      what: `The clock of this machine is ${(byMs / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the clock of the database.`,
      why: `No decision of the cluster compares two clocks. Logs are hard to read together${isFar ? ', and one of the two is plainly wrong, which breaks certificates and schedules of other programs' : ''}.`,
      todo: 'Let both machines follow a time server (timedatectl, chronyc tracking).',
    },
  ]
}
