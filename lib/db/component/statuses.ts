import type { Database } from '../database.ts'

/**
 * Gives a version a status, or takes it away. Doing so twice changes nothing more.
 * @returns false when the component has no such version
 */
export async function setStatus(
  db: Database,
  about: { componentId: number; version: string; status: string; by: string; isSet: boolean },
): Promise<boolean> {
  const { t } = db
  const { componentId, version, status, by, isSet } = about
  const change = isSet
    ? `insert into ${t.versionStatus} (version_id, status, set_by) select id, $3, $4 from it on conflict do nothing`
    : `delete from ${t.versionStatus} s using it where s.version_id = it.id and s.status = $3 and $4::text is not null`
  const { rows } = await db.query({
    text: `
      with it as materialized (
        select id from ${t.version} where component_id = $1 and name = $2 for key share
      ), changed as (${change})
      select from it`,
    values: [componentId, version, status, by],
  })
  return rows.length === 1
}
