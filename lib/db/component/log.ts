import type { Database } from '../database.ts'

/** A line of a component's import log. */
export interface ImportLogLine {
  at: Date
  /** The attempt or the check that said it. */
  token: string
  text: string
}

/** How many lines are kept of each component. */
const kept = 1000

/** Adds lines to a component's log. They are dropped when the component has been removed. */
export async function appendImportLog(
  db: Database,
  componentId: number,
  token: string,
  lines: readonly string[],
): Promise<void> {
  const { t } = db
  await db.query({
    text: `
      insert into ${t.importLog} (component_id, token, text)
      select c.id, $2, text from ${t.component} c, unnest($3::text[]) with ordinality as g (text, place)
      where c.id = $1 order by place`,
    values: [componentId, token, lines],
  })
}

/** The last lines, the oldest of them first. */
export async function readImportLog(
  db: Database,
  componentId: number,
  limit: number,
): Promise<ImportLogLine[]> {
  const { rows } = await db.query<ImportLogLine>({
    text: `
      select at, token, text from (
        select * from ${db.t.importLog} where component_id = $1 order by seq desc limit $2
      ) as newest order by seq`,
    values: [componentId, limit],
  })
  return rows
}

/** Removes all but the newest lines of each component. Two who do so at once wait for each other. */
export async function purgeImportLog(db: Database): Promise<void> {
  const { t } = db
  await db.query({
    text: `
      delete from ${t.importLog} as l using (
        select c.id, (select seq from ${t.importLog} n where n.component_id = c.id order by seq desc offset $1 limit 1) as seq
        from ${t.component} c
      ) as old
      where l.component_id = old.id and l.seq <= old.seq`,
    values: [kept],
  })
}
