import type { Queryable } from '../database.ts'
import { isHeld } from '../locks.ts'
import type { Tables } from '../tables.ts'

/** What the database says about a life of a server of which this machine has traces. */
export interface KnownLife {
  readonly incarnation: string
  readonly node: string
  readonly state: 'alive' | 'left' | 'lost'
  /** Whether it proves that it lives. */
  readonly isProven: boolean
}

/** The lives of these numbers that are known. */
export async function findLives(
  session: Queryable,
  t: Tables,
  incarnations: readonly string[],
): Promise<KnownLife[]> {
  const { rows } = await session.query<KnownLife>({
    text: `
      select id::text as incarnation, node, state,
        state = 'alive' and ${isHeld(t, 'incarnation', 'incarnation.id')} as "isProven"
      from ${t.incarnation} where id = any ($1::bigint[])`,
    values: [incarnations],
  })
  return rows
}
