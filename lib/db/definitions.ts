import type { Database, Queryable } from './database.ts'
import type { Tables } from './tables.ts'

/** What a server publishes of a process that it knows. */
export interface PublishedProcess {
  readonly name: string
  readonly version: string
  readonly description: string | null
  /** JSON Schema of the input, where the definition's schema offers one. */
  readonly inputSchema: object | null
  readonly steps: readonly { phase: string; name: string; kind: string }[]
}

/**
 * Publishes definitions and gives the lane of each, in the order given. Any number of servers publish at the
 * same time; rows are inserted in the order of their names, so that they wait for each other in one order.
 */
export async function publishProcesses(
  db: Database,
  node: string,
  processes: readonly PublishedProcess[],
): Promise<number[]> {
  const { t } = db
  const sorted = processes.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const lanes = await db.transaction(async client => {
    await client.query({
      text: `
        insert into ${t.process} (name, version, description, input_schema, steps, published_by)
        select name, version, description, input_schema, steps, $2
        from jsonb_to_recordset($1::jsonb)
          as p (name text, version text, description text, input_schema jsonb, steps jsonb)
        order by name
        on conflict (name, version) do update
          set description = excluded.description, input_schema = excluded.input_schema,
            steps = excluded.steps, published_by = excluded.published_by, published_at = now()`,
      values: [
        JSON.stringify(
          sorted.map(({ inputSchema, ...rest }) => ({ ...rest, input_schema: inputSchema })),
        ),
        node,
      ],
    })
    const { rows } = await client.query<{ id: number; process: string }>({
      text: `
        insert into ${t.lane} (process, published)
        select name, true from unnest($1::text[]) as p (name) order by name
        on conflict (process) do update set published = true
        returning id, process`,
      values: [sorted.map(process => process.name)],
    })
    return new Map(rows.map(row => [row.process, row.id]))
  })
  return processes.map(process => lanes.get(process.name) as number)
}

/** The definition of a process that was published last, or undefined when no server has published one. */
export async function findPublished(
  session: Queryable,
  t: Tables,
  name: string,
): Promise<{ version: string; inputSchema: object | null } | undefined> {
  const { rows } = await session.query<{ version: string; inputSchema: object | null }>({
    text: `
      select version, input_schema as "inputSchema" from ${t.process}
      where name = $1 order by published_at desc, version desc limit 1`,
    values: [name],
  })
  return rows[0]
}

/** The names that may be enqueued, for messages and completion. */
export async function listPublishedNames(db: Database): Promise<string[]> {
  const { rows } = await db.query<{ process: string }>({
    text: `select process from ${db.t.lane} where published order by process`,
  })
  return rows.map(row => row.process)
}
