import type { Database } from './database.ts'

/**
 * What a cancel did: the request was waiting and is now finished as `cancelled`; its server was asked to stop
 * it (`requested`); or it had `finished` before.
 */
export type CancelAnswer = 'cancelled' | 'requested' | 'finished'

/** Cancels a request, wherever it is; undefined for an unknown id. */
export async function cancelRequest(db: Database, id: string): Promise<CancelAnswer | undefined> {
  const { rows } = await db.query<{ answer: CancelAnswer | null }>({
    text: `select ${db.t.cancel}($1) as answer`,
    values: [id],
  })
  return rows[0]?.answer ?? undefined
}
