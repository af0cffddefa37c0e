import type { Database } from '../database.ts'

/** A file of a published version, and where the store keeps its content. */
export interface StoredFile {
  readonly path: string
  /** SHA-256 in hexadecimal. */
  readonly hash: string
  readonly size: number
  readonly executable: boolean
  readonly modifiedAt: Date | null
  /** The attempt whose object it is. */
  readonly token: string
}

/**
 * The files of a published version, in the order of their paths. An incremental version has those of the versions that it
 * builds on, too; of a path that several have, the newest.
 * @returns undefined when the version is not published
 */
export async function listFiles(
  db: Database,
  versionId: string,
): Promise<StoredFile[] | undefined> {
  const { t } = db
  const { rows } = await db.query<StoredFile & { path: string | null }>({
    text: `
      with recursive chain as (
        select id, base, 0 as depth from ${t.publication} where version_id = $1
        union all
        select p.id, p.base, chain.depth + 1 from chain join ${t.publication} p on p.version_id = chain.base
      ), newest as (
        select distinct on (f.path) f.* from chain join ${t.versionFile} f on f.publication_id = chain.id
        order by f.path, chain.depth
      )
      select f.path, encode(o.hash, 'hex') as hash, o.size::float8 as size, f.executable,
        f.modified_at as "modifiedAt", o.token
      from (select from ${t.publication} where version_id = $1) as it
      left join (newest f join ${t.object} o using (hash)) on true
      order by f.path`,
    values: [versionId],
  })
  if (rows.length === 0) return undefined
  return rows.filter(({ path }) => path !== null)
}

/** Objects that published versions need, in slices: those after `after`, by their tokens and hashes in hexadecimal. */
export async function listObjects(
  db: Database,
  after: { token: string; hash: string },
  limit: number,
): Promise<{ hash: string; token: string; size: number }[]> {
  const { rows } = await db.query<{ hash: string; token: string; size: number }>({
    text: `
      select encode(hash, 'hex') as hash, token, size::float8 as size from ${db.t.object}
      where (token, hash) > ($1, decode($2, 'hex')) order by token, hash limit $3`,
    values: [after.token, after.hash, limit],
  })
  return rows
}

/** Which versions have a content, for messages about a damaged one. */
export async function findVersionsWith(
  db: Database,
  hash: string,
  limit: number,
): Promise<{ component: string; version: string; path: string }[]> {
  const { t } = db
  const { rows } = await db.query<{ component: string; version: string; path: string }>({
    text: `
      select c.name as component, v.name as version, f.path
      from ${t.versionFile} f join ${t.publication} p on p.id = f.publication_id
      join ${t.version} v on v.id = p.version_id join ${t.component} c on c.id = v.component_id
      where f.hash = decode($1, 'hex') and c.name is not null order by v.id limit $2`,
    values: [hash, limit],
  })
  return rows
}
