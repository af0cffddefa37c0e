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

/** The step of a run that puts a version on a target. */
export interface DeployingStep {
  readonly requestId: string
  readonly step: string
}

/**
 * Records that a version is on a target now. Two requests that record for the same target at once both stay, the later
 * one on top. Repeating it for a step changes nothing.
 *
 * The row of the run is share-locked. So whoever declares the server lost waits until the line is there, and its
 * compensation takes it back; or the run is gone, and nothing is recorded. Each statement is a transaction of its own: a
 * server that freezes between them keeps nobody waiting.
 * @param by null when it was not a run
 */
export async function recordDeployment(
  db: Database,
  deployment: { target: string; componentId: number; version: string; by: DeployingStep | null },
): Promise<'recorded' | 'unknown version' | 'not running'> {
  const { t } = db
  const { target, componentId, version, by } = deployment
  if (by) await waitForRecord(db, by)
  const { rows } = await db.query<{ is_known: boolean; runs: boolean }>({
    text: `
      with run as materialized (
        select id from ${t.running} where id = $4 for key share
      ), it as materialized (
        select id from ${t.version} where component_id = $2 and name = $3 for key share
      ), recorded as (
        insert into ${t.inventory} (target, component_id, version_id, request_id, step)
        select $1, $2, id, $4, $5 from it
        where ($4 is null or exists (select from run)) and not exists (
          select from ${t.inventory} where request_id = $4 and step = $5 and undone_at is null)
      )
      select exists (select from it) as is_known, $4 is null or exists (select from run) as runs`,
    values: [target, componentId, version, by?.requestId ?? null, by?.step ?? null],
  })
  if (rows[0]?.runs !== true) return 'not running'
  return rows[0].is_known ? 'recorded' : 'unknown version'
}

/**
 * What a step had put on a target is not there any more: what was there before counts again. Twice is once. A step of
 * which nothing was recorded leaves all as it is.
 */
export async function undoDeployment(db: Database, by: DeployingStep): Promise<void> {
  await waitForRecord(db, by)
  await db.query({
    text: `
      update ${db.t.inventory} set undone_at = now()
      where request_id = $1 and step = $2 and undone_at is null`,
    values: [by.requestId, by.step],
  })
}

/** A line whose answer was lost may still be on its way: what comes next sees it. */
async function waitForRecord(db: Database, { requestId }: DeployingStep): Promise<void> {
  await db.query({
    text: `select from ${db.t.running} where id = $1 for update`,
    values: [requestId],
  })
}

/** Which lines a program asks for. */
export interface InventoryOptions {
  target?: string
  component?: string
  /** Defaults to false. */
  history?: boolean
  /** Defaults to 1000. */
  limit?: number
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
      where c.name is not null and ($1::text is null or i.target = $1) and ($2::text is null or c.name = $2)
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
