import type { Database } from '../database.ts'
import type { StoredError } from '../status.ts'

/** A component as it is stored. `Definition` is what `lib/artifact/component.ts` made of it. */
export interface ComponentRow<Definition = unknown> {
  readonly id: number
  readonly name: string
  readonly definition: Definition
}

/** What a list of components shows of each. */
export interface ComponentSummary {
  name: string
  /** The type of its source. */
  sourceType: string
  definition: unknown
  /** Whether nobody checks or imports it until it is resumed. */
  paused: boolean
  /** How many versions are known, how many of them have their files in the store, and how many wait for their import. */
  versions: number
  published: number
  waiting: number
  /** The version that was found last among the published ones, null without one. */
  latest: string | null
  /** When it was checked last and is checked next; null for never. */
  checkedAt: Date | null
  nextCheckAt: Date | null
  /** How many checks in a row have failed, and why the last one did. */
  checkFailures: number
  checkError: StoredError | null
}

/**
 * Adds a component, or replaces its definition. A check or an import that is under way ends with the definition that it
 * began with. Two that apply the same name at once wait for each other, and the second one's definition stays.
 * @returns whether it is new
 */
export async function applyComponent(
  db: Database,
  component: { name: string; sourceType: string; definition: object },
): Promise<boolean> {
  const { t } = db
  const { rows } = await db.query<{ created: boolean }>({
    text: `
      with applied as (
        insert into ${t.component} as c (name, source_type, definition) values ($1, $2, $3::jsonb)
        on conflict (name) do update
          set source_type = excluded.source_type, definition = excluded.definition, changed_at = now()
        returning c.id, xmax = 0 as created
      ), schedule as (
        insert into ${t.versionCheck} (component_id) select id from applied on conflict do nothing
      )
      select created from applied`,
    values: [component.name, component.sourceType, JSON.stringify(component.definition)],
  })
  return rows[0]?.created === true
}

/** Stops, or begins again, to check and to import a component by itself. False when there is none of this name. */
export async function pauseComponent(
  db: Database,
  name: string,
  paused: boolean,
): Promise<boolean> {
  const { rowCount } = await db.query({
    text: `update ${db.t.component} set paused = $2, changed_at = now() where name = $1`,
    values: [name, paused],
  })
  return rowCount === 1
}

/**
 * Removes a component with its versions and its inventory: nobody finds it any more, and another one may have its name.
 * What it had goes afterwards, in groups (`removal.ts`). It waits for a publication that commits in this moment; whoever
 * imports or checks it publishes nothing any more. False when there is none of this name.
 */
export async function removeComponent(db: Database, name: string): Promise<boolean> {
  const { rowCount } = await db.query({
    text: `update ${db.t.component} set name = null, paused = true, changed_at = now() where name = $1`,
    values: [name],
  })
  return rowCount === 1
}

/** @param name only this one */
export async function listComponents(db: Database, name?: string): Promise<ComponentSummary[]> {
  const { t } = db
  const { rows } = await db.query<ComponentSummary>({
    text: `
      select c.name, c.source_type as "sourceType", c.definition, c.paused, counted.*,
        (select v.name from ${t.version} v join ${t.publication} p on p.version_id = v.id
         where v.component_id = c.id order by v.id desc limit 1) as latest,
        k.ended_at as "checkedAt", s.due_at as "nextCheckAt", k.failures as "checkFailures", k.error as "checkError"
      from ${t.component} c
      join ${t.versionCheck} k on k.component_id = c.id
      join ${t.checkSchedule} s on s.component_id = c.id
      cross join lateral (
        select count(*)::integer as versions, count(p.version_id)::integer as published,
          count(w.version_id)::integer as waiting
        from ${t.version} v left join ${t.publication} p on p.version_id = v.id
          left join ${t.wantedImport} w on w.version_id = v.id
        where v.component_id = c.id
      ) as counted
      where c.name is not null and ($1::text is null or c.name = $1)
      order by c.name`,
    values: [name ?? null],
  })
  return rows
}

export async function findComponent(db: Database, name: string): Promise<ComponentRow | undefined> {
  const { rows } = await db.query<ComponentRow>({
    text: `select id, name, definition from ${db.t.component} where name = $1`,
    values: [name],
  })
  return rows[0]
}

/** The names, for messages that say what there is. */
export async function listComponentNames(db: Database): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>({
    text: `select name from ${db.t.component} where name is not null order by name`,
  })
  return rows.map(({ name }) => name)
}
