import { randomUUID } from 'node:crypto'
import type { Database } from '../database.ts'
import { agreeOnSetting } from '../settings.ts'

/** Whose the store is, and whether it has been used: what `Store.check` compares it with. */
export async function readStoreClaim(db: Database): Promise<{ id: string; wasUsed: boolean }> {
  const id = await agreeOnSetting(db, 'storeId', randomUUID())
  const { rows } = await db.query<{ used: boolean }>({
    text: `select exists (select from ${db.t.object}) as used`,
  })
  return { id, wasUsed: rows[0]?.used === true }
}
