import type { Database } from '../database.ts'

/** What is where. */
export interface InventoryLine {
  target: string
  component: string
  version: string
  /** The request that put it there, null when a program did without one. */
  requestId: string | null
  at: Date
  /** When the process that put it there was undone, null unless it was. */
  undoneAt: Date | null
  /** The version that was there before, null for the first one. */
  previous: string | null
}

/**
 * Records that a version is on a target now. Two that record for the same target at once both stay, the later one on top.
 * Repeating it for a request whose version is on top changes nothing.
 * @returns false when the component has no such version
 */
export async function recordDeployment(
  db: Database,
  deployment: { target: string; componentId: number; version: string; requestId: string | null },
): Promise<boolean> {
  const { t } = db
  const { rowCount } = await db.query({
    text: `
      with it as materialized (
        select id from ${t.version} where component_id = $2 and name = $3
      ), top as materialized (
        select version_id, request_id from ${t.inventory}
        where target = $1 and component_id = $2 and undone_at is null order by id desc limit 1
      ), recorded as (
        insert into ${t.inventory} (target, component_id, version_id, request_id)
        select $1, $2, id, $4 from it
        where not exists (select from top where top.version_id = it.id and top.request_id = $4)
      )
      select from it`,
    values: [deployment.target, deployment.componentId, deployment.version, deployment.requestId],
  })
  return rowCount === 1
}

/** What a request had put on a target is not there any more: what was there before counts again. Twice is once. */
export async function undoDeployment(
  db: Database,
  about: { target: string; componentId: number; requestId: string },
): Promise<void> {
  await db.query({
    text: `
      update ${db.t.inventory} set undone_at = now()
      where target = $1 and component_id = $2 and request_id = $3 and undone_at is null`,
    values: [about.target, about.componentId, about.requestId],
  })
}

export interface InventoryFilter {
  target?: string | undefined
  component?: string | undefined
  /** Every line that there ever was, the newest first, instead of what is there now. */
  history: boolean
  limit: number
}

export async function listInventory(
  db: Database,
  { target, component, history, limit }: InventoryFilter,
): Promise<InventoryLine[]> {
  const { t } = db
  const { rows } = await db.query<InventoryLine>({
    text: `
      select i.target, c.name as component, v.name as version, i.request_id as "requestId", i.at, i.undone_at as "undoneAt",
        (select b.name from ${t.inventory} before join ${t.version} b on b.id = before.version_id
         where before.target = i.target and before.component_id = i.component_id and before.id < i.id
           and before.undone_at is null
           and before.version_id <> i.version_id
         order by before.id desc limit 1) as previous
      from ${t.inventory} i
      join ${t.component} c on c.id = i.component_id
      join ${t.version} v on v.id = i.version_id
      where ($1::text is null or i.target = $1) and ($2::text is null or c.name = $2)
        and ($3 or i.undone_at is null and not exists (
          select from ${t.inventory} later where later.target = i.target
            and later.component_id = i.component_id and later.id > i.id and later.undone_at is null))
      order by ${history ? 'i.id desc' : 'i.target, c.name'} limit $4`,
    values: [target ?? null, component ?? null, history, limit],
  })
  return rows
}

/** What is on a target now, and what was there before that was another version; null for none. */
export async function findTargetVersions(
  db: Database,
  target: string,
  componentId: number,
): Promise<{ current: string | null; previous: string | null }> {
  const { t } = db
  const { rows } = await db.query<{ current: string | null; previous: string | null }>({
    text: `
      with now_there as materialized (
        select id, version_id from ${t.inventory}
        where target = $1 and component_id = $2 and undone_at is null order by id desc limit 1
      ), before as materialized (
        select i.version_id from ${t.inventory} i, now_there n
        where i.target = $1 and i.component_id = $2 and i.undone_at is null
          and i.id < n.id and i.version_id <> n.version_id
        order by i.id desc limit 1
      )
      select (select v.name from now_there n join ${t.version} v on v.id = n.version_id) as current,
        (select v.name from before b join ${t.version} v on v.id = b.version_id) as previous`,
    values: [target, componentId],
  })
  return rows[0] ?? { current: null, previous: null }
}
