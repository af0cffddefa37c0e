import type { Database } from '../database.ts'

/** A published version that may be chosen, the one that was found last first. */
export interface PublishedVersionRow {
  readonly id: string
  readonly name: string
}

/** @param statuses those that a version must have, all of them */
export async function listPublished(
  db: Database,
  componentId: number,
  statuses: readonly string[],
): Promise<PublishedVersionRow[]> {
  const { t } = db
  const { rows } = await db.query<PublishedVersionRow>({
    text: `
      select v.id, v.name from ${t.version} v join ${t.publication} p on p.version_id = v.id
      where v.component_id = $1
        and array(select s.status from ${t.versionStatus} s where s.version_id = v.id) @> $2::text[]
      order by v.id desc`,
    values: [componentId, statuses],
  })
  return rows
}

/**
 * Records which version a run takes for what it asked for; what was recorded first stays, so that every step of the run
 * gets the same. While the request is not finished, retention keeps the version: its publication is locked here against
 * its removal. When retention was faster nothing is recorded, so that the run may take another one.
 * @returns the version that holds, or undefined when it is not published any more
 */
export async function recordUse(
  db: Database,
  use: { requestId: string; componentId: number; spec: string; versionId: string },
): Promise<PublishedVersionRow | undefined> {
  const { t } = db
  return db.transaction(async client => {
    await client.query({
      text: `
        with there as materialized (
          select version_id from ${t.publication} where version_id = $4 for key share
        )
        insert into ${t.versionUse} (request_id, component_id, spec, version_id)
        select $1, $2, $3, version_id from there
        on conflict do nothing`,
      values: [use.requestId, use.componentId, use.spec, use.versionId],
    })
    const { rows } = await client.query<PublishedVersionRow>({
      text: `
        select v.id, v.name from ${t.versionUse} u
        join ${t.version} v on v.id = u.version_id
        join ${t.publication} p on p.version_id = v.id
        where u.request_id = $1 and u.component_id = $2 and u.spec = $3
        for key share of p`,
      values: [use.requestId, use.componentId, use.spec],
    })
    return rows[0]
  })
}

/** What a run has recorded for a specification before. */
export async function findUse(
  db: Database,
  requestId: string,
  componentId: number,
  spec: string,
): Promise<PublishedVersionRow | undefined> {
  const { t } = db
  const { rows } = await db.query<PublishedVersionRow>({
    text: `
      select v.id, v.name from ${t.versionUse} u join ${t.version} v on v.id = u.version_id
      where u.request_id = $1 and u.component_id = $2 and u.spec = $3`,
    values: [requestId, componentId, spec],
  })
  return rows[0]
}
