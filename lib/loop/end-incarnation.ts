import { untilDone } from '../base/until-done.ts'
import type { Database } from '../db/database.ts'
import { leave } from '../db/incarnations.ts'
import { isTransient } from '../db/translate-error.ts'

export interface IncarnationEnd {
  readonly db: Database
  readonly incarnation: string
  /** Aborted when this server can no longer prove that it is alive. */
  readonly signal: AbortSignal
  readonly onError: (error: unknown, name: string) => void
}

/**
 * Says in the database that the server has left in good order. While the database is away it is tried again for as long
 * as the witness waits, too: what has nothing left to do must not be called lost only because nobody could be told.
 * @returns whether it has left; if not, the others declare it lost
 */
export async function endIncarnation(end: IncarnationEnd): Promise<boolean> {
  const { db, incarnation, signal, onError } = end
  try {
    return await untilDone({ attempt: () => leave(db, incarnation), isTransient, signal })
  } catch (error) {
    onError(error, 'leave')
    return false
  }
}
