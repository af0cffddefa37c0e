import { randomUUID } from 'node:crypto'
import type { Database } from '../database.ts'
import { agreeOnSetting, readSetting, writeSetting } from '../settings.ts'

export interface ClusterClaim {
  readonly id: string
  readonly wasUsed: boolean
  /** The kind of store that the cluster uses; null before it has used one. */
  readonly kind: string | null
}

/** Whose the store is, and whether it has been used: what `Store.check` compares it with. Writes it when it is new. */
export async function makeStoreClaim(db: Database): Promise<ClusterClaim> {
  return readFor(db, await agreeOnSetting(db, idSetting, randomUUID()))
}

/** The same for `Store.recognise`; it writes nothing. */
export async function readStoreClaim(db: Database): Promise<ClusterClaim> {
  const id = await readSetting(db, idSetting)
  // No store has this id, and whoever is told of it understands.
  return readFor(db, typeof id === 'string' ? id : 'one that has used no store yet')
}

async function readFor(db: Database, id: string): Promise<ClusterClaim> {
  const { rows } = await db.query<{ used: boolean }>({
    text: `select exists (select from ${db.t.object}) as used`,
  })
  const kind = await readSetting(db, kindSetting)
  return { id, wasUsed: rows[0]?.used === true, kind: typeof kind === 'string' ? kind : null }
}

/** Remembers the kind of store that the cluster uses. Two that do so at once with the same kind write the same. */
export function writeStoreKind(db: Database, kind: string): Promise<void> {
  return writeSetting(db, kindSetting, kind)
}

const idSetting = 'storeId'
const kindSetting = 'storeKind'
