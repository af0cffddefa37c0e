import type { Finding } from '../../base/finding.ts'
import type { Queryable } from '../database.ts'
import type { Tables } from '../tables.ts'

/** Which installation is examined, and how its servers are set up. */
export interface Examined {
  /** Without quotes. */
  readonly schema: string
  readonly t: Tables
  /** In milliseconds. */
  readonly lostAfter: number
  /** In milliseconds. */
  readonly retention: number | 'forever'
}

/** Looks at one thing in the database, in a read-only transaction. */
export type DatabaseCheck = (session: Queryable, examined: Examined) => Promise<Finding[]>
