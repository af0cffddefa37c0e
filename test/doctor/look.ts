import type { Test } from 'tap'
import type { Finding } from '../../lib/base/finding.ts'
import type { Database, Queryable } from '../../lib/db/database.ts'
import type { DatabaseCheck } from '../../lib/db/doctor/database-check.ts'
import { openReadOnly } from '../../lib/db/doctor/read-only-session.ts'

export const day = 86_400_000

/** Does one check on a session of its own, as the doctor does it. */
export async function look(db: Database, check: DatabaseCheck): Promise<Finding[]> {
  const examined = { schema: db.schema, t: db.t, lostAfter: 1, retention: 30 * day }
  return lookInto(db, session => check(session, examined))
}

export async function lookInto<T>(
  db: Database,
  work: (session: Queryable) => Promise<T>,
): Promise<T> {
  const session = await openReadOnly(db)
  try {
    return await session.look(work)
  } finally {
    await session.end()
  }
}

/** Each finding's name and level. */
export function names(findings: readonly Finding[]): string[] {
  return findings.map(({ level, name }) => `${level} ${name}`)
}

/** Fails unless what is found is exactly this, each with a reason and something to do. */
export function found(t: Test, findings: readonly Finding[], expected: readonly string[]): void {
  t.strictSame(names(findings), expected)
  for (const { name, what, why, todo } of findings)
    for (const text of [what, why, todo]) t.match(text, /^\S.*\S\.$/s, `${name}: ${text}`)
}
