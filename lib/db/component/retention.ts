import type { Database } from '../database.ts'

/** A version whose files were given up. */
export interface Expired {
  component: string
  version: string
  /** Of its own files; the sweep frees what no other version has. */
  bytes: number
}

/**
 * Gives up the files of versions that are too many or too old for their component. Kept are: what is on some target now,
 * what a request that has not finished uses, the base of an incremental version that is kept, and the newest version of
 * all. The version itself stays known, so that nobody imports it anew by itself. Its files follow in groups
 * (`removal.ts`).
 *
 * A run may take a version at the same moment: it share-locks the publication and records its use. Either that comes
 * first, and the row is skipped here, or the run finds the publication gone.
 * @param limit how many at the most; there may be more as long as there is one
 */
export async function expireVersions(db: Database, limit: number): Promise<Expired[]> {
  const { t } = db
  return db.transaction(async client => {
    const { rows } = await client.query<{ version_id: string }>({
      text: `
        with ranked as (
          select p.version_id, p.published_at, c.definition -> 'keep' as keep,
            row_number() over (partition by v.component_id order by v.id desc) as place
          from ${t.publication} p
          join ${t.version} v on v.id = p.version_id
          join ${t.component} c on c.id = v.component_id
          where c.name is not null
        ), spare as (
          select p.version_id from ranked p
          where p.place > 1 and (p.place > (p.keep ->> 'count')::bigint
              or p.published_at < now() - (p.keep ->> 'age')::float8 * interval '1 ms')
            and not ${isNeeded(db)}
        )
        select p.version_id from spare join ${t.publication} p using (version_id)
        order by p.version_id limit $1
        for update of p skip locked`,
      values: [limit],
    })
    if (rows.length === 0) return []
    // Looked at again under the locks: whoever took one before has committed.
    const { rows: expired } = await client.query<Expired>({
      text: `
        with gone as (
          delete from ${t.publication} as p
          where p.version_id = any ($1::bigint[]) and not ${isNeeded(db)}
          returning p.version_id, p.bytes
        )
        select c.name as component, v.name as version, gone.bytes::float8 as bytes
        from gone join ${t.version} v on v.id = gone.version_id join ${t.component} c on c.id = v.component_id`,
      values: [rows.map(row => row.version_id)],
    })
    return expired
  })
}

/** A boolean SQL expression: something needs the publication `p`. */
function isNeeded({ t }: Database): string {
  return `(
    exists (select from ${t.publication} b where b.base = p.version_id)
    or exists (
      select from ${t.versionUse} u
      where u.version_id = p.version_id
        and not exists (select from ${t.finished} f where f.id = u.request_id))
    or exists (
      select from ${t.inventory} i
      where i.version_id = p.version_id and i.undone_at is null and not exists (
        select from ${t.inventory} later where later.target = i.target
          and later.component_id = i.component_id and later.id > i.id and later.undone_at is null)))`
}

/**
 * Whether it is this server's turn to give up versions: once an hour somebody's in the whole cluster, and only in the
 * hours that the setting `retentionHours` names, by UTC; unless it is set, in all. One statement, so that of many who ask
 * at once one gets the turn.
 */
export async function takeRetentionTurn(db: Database): Promise<boolean> {
  const { t } = db
  const { rowCount } = await db.query({
    text: `
      with hours as materialized (
        select value, extract(hour from now() at time zone 'utc') as now from (
          select (select value from ${t.setting} where name = 'retentionHours') as value
        ) as it
      )
      insert into ${t.setting} as s (name, value)
      select 'retentionTurn', 'null' from hours
      where value is null
        or (value ->> 'from')::integer <= (value ->> 'to')::integer
          and now >= (value ->> 'from')::integer and now < (value ->> 'to')::integer
        or (value ->> 'from')::integer > (value ->> 'to')::integer
          and (now >= (value ->> 'from')::integer or now < (value ->> 'to')::integer)
      on conflict (name) do update set changed_at = now()
        where s.changed_at < now() - interval '1 hour'`,
  })
  return rowCount === 1
}
