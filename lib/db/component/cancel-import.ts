import type { Database } from '../database.ts'

/**
 * - `cancelled`: it had not begun
 * - `requested`: the server that imports it stops; nothing of it is published any more
 * - `published`: it was imported before
 * - `unwanted`: nobody had asked for it
 * - `skipped`: it was cancelled before; now those behind it do without it
 */
export type ImportCancelAnswer = 'cancelled' | 'requested' | 'published' | 'unwanted' | 'skipped'

export interface CancelledImport {
  readonly answer: ImportCancelAnswer
  /** The server that had begun, null without one. */
  readonly node: string | null
}

/**
 * Withdraws the wish for a version. Each statement is a transaction of its own, and the first one decides: an attempt
 * begins only while it holds the wish's row, and publishes only when it can take it away. So whoever begins or publishes
 * at the same time comes first, and is seen by the second statement; or finds no wish any more. Somebody who wishes for
 * the version in between has their wish. With the wish goes the next one's base: unless they are to do without it, the
 * versions of an incremental component behind it wait (`gapBefore`).
 * @param skip whether those behind it do without it
 * @returns undefined when the component has no such version
 */
export async function cancelImport(
  db: Database,
  componentId: number,
  version: string,
  skip: boolean = false,
): Promise<CancelledImport | undefined> {
  const { t } = db
  const { rows: wishes } = await db.query<{ id: string; withdrawn: boolean }>({
    text: `
      with it as materialized (
        select id from ${t.version} where component_id = $1 and name = $2 for key share
      ), gone as (
        delete from ${t.wantedImport} as w using it where w.version_id = it.id returning version_id
      ), gap as (
        insert into ${t.importGap} (version_id) select version_id from gone where not $3
        on conflict (version_id) do nothing
      )
      select id, exists (select from gone) as withdrawn from it`,
    values: [componentId, version, skip],
  })
  const [wish] = wishes
  if (!wish) return undefined
  const { rows } = await db.query<{ node: string | null; published: boolean }>({
    text: `
      with stopped as (
        update ${t.importAttempt} set ended_at = clock_timestamp(), outcome = 'cancelled'
        where version_id = $1 and ended_at is null
          and not exists (select from ${t.wantedImport} where version_id = $1)
        returning node
      )
      select (select node from stopped) as node,
        exists (select from ${t.publication} where version_id = $1) as published`,
    values: [wish.id],
  })
  const { node = null, published = false } = rows[0] ?? {}
  const hadGap = skip && (await removeGap(db, wish.id))
  if (node !== null) return { answer: 'requested', node }
  if (wish.withdrawn) return { answer: 'cancelled', node }
  if (hadGap) return { answer: 'skipped', node }
  return { answer: published ? 'published' : 'unwanted', node }
}

/** @returns whether there was one; whoever makes one at the same moment comes after */
async function removeGap(db: Database, versionId: string): Promise<boolean> {
  const { rowCount } = await db.query({
    text: `delete from ${db.t.importGap} where version_id = $1`,
    values: [versionId],
  })
  return rowCount === 1
}
