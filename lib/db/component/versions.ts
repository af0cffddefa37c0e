import type { Database } from '../database.ts'
import type { StoredError } from '../status.ts'
import { gapBefore } from './import-gap.ts'

export type VersionState = 'published' | 'importing' | 'waiting' | 'found'

/** A version, and how far it is. */
export interface VersionSummary {
  name: string
  /** `found`: only known; `waiting` for its import; `importing`; `published`: its files are in the store. */
  state: VersionState
  foundAt: Date
  publishedAt: Date | null
  /** Of the version's own files; null until it is published. */
  files: number | null
  bytes: number | null
  /** The version that an incremental one builds on. */
  base: string | null
  statuses: string[]
  /** The server that imports it, or tried last. */
  node: string | null
  /** What an import that is under way has stored so far. */
  filesSoFar: number | null
  bytesSoFar: number | null
  /** Why the last import failed; null when it did not, or somebody has asked for another one. */
  error: StoredError | null
  /** The cancelled version without which this incremental one is not imported; null when it does not wait for one. */
  waitsFor: string | null
}

export interface VersionFilter {
  /** Only the version of this name. */
  name?: string | undefined
  limit: number
}

/** The versions of a component, the one that was found last first. */
export async function listVersions(
  db: Database,
  componentId: number,
  { name, limit }: VersionFilter,
): Promise<VersionSummary[]> {
  const { t } = db
  const { rows } = await db.query<VersionSummary>({
    text: `
      select v.name, v.found_at as "foundAt", p.published_at as "publishedAt", p.files::float8 as files,
        p.bytes::float8 as bytes, b.name as base, a.node,
        case when p.version_id is not null then 'published' when a.outcome is null and a.token is not null then 'importing'
          when w.version_id is not null then 'waiting' else 'found' end as state,
        (select coalesce(jsonb_agg(status order by status), '[]') from ${t.versionStatus} s where s.version_id = v.id) as statuses,
        case when a.outcome is null then a.files::float8 end as "filesSoFar",
        case when a.outcome is null then a.bytes::float8 end as "bytesSoFar",
        case when p.version_id is null and w.failures is distinct from 0 then a.error end as error,
        case when w.version_id is not null and c.definition ->> 'versions' = 'incremental'
          then ${gapBefore(t, 'v.component_id', 'v.id')} end as "waitsFor"
      from ${t.version} v join ${t.component} c on c.id = v.component_id
      left join ${t.publication} p on p.version_id = v.id
      left join ${t.version} b on b.id = p.base
      left join ${t.wantedImport} w on w.version_id = v.id
      left join lateral (
        select token, node, outcome, error, files, bytes from ${t.importAttempt}
        where version_id = v.id order by began_at desc limit 1
      ) as a on true
      where v.component_id = $1 and ($2::text is null or v.name = $2)
      order by v.id desc limit $3`,
    values: [componentId, name ?? null, limit],
  })
  return rows
}

/**
 * Has a version imported, by whichever server comes first; at once, whatever failed before. Whoever publishes it at the same
 * moment is waited for; then the wish is taken back. Who cancels it at the same moment comes before or after: what they leave for the
 * versions behind it goes in a statement of its own, which sees it.
 * @returns false when it is published already
 */
export async function wantImport(
  db: Database,
  componentId: number,
  version: string,
): Promise<boolean | 'unknown'> {
  const { t } = db
  const { rows } = await db.query<{ id: string; published: boolean }>({
    text: `
      with it as materialized (
        select v.id, p.version_id is not null as published from ${t.version} v
        left join ${t.publication} p on p.version_id = v.id
        where v.component_id = $1 and v.name = $2 for key share of v
      ), wanted as (
        insert into ${t.wantedImport} as w (version_id) select id from it where not published
        on conflict (version_id) do update set next_at = now(), failures = 0
      )
      select id, published from it`,
    values: [componentId, version],
  })
  const [row] = rows
  if (!row) return 'unknown'
  if (row.published) return false
  const { rowCount } = await db.query({
    text: `
      with gap as (delete from ${t.importGap} where version_id = $1)
      delete from ${t.wantedImport} as w using ${t.publication} p
      where w.version_id = $1 and p.version_id = w.version_id`,
    values: [row.id],
  })
  return rowCount === 0
}
