import type pg from 'pg'
import { translateError } from './translate-error.ts'

/**
 * Gives a new session its settings, and asks its first question with the same statement: on a slow network each
 * statement counts. The session is ended when that fails. Not as options of the connection: those of a database URL would
 * take their place, and a session that must end when it falls silent would not.
 * @param question an SQL query without parameters that has one row
 * @returns that row
 */
export async function setForSession<Row extends object>(
  client: pg.Client,
  settings: Readonly<Record<string, string | number>>,
  question = 'select',
): Promise<Row> {
  client.on('error', ignore)
  try {
    const { rows } = await client.query<Row>({
      text: `
        with given as materialized (
          select set_config(name, value, false) from unnest($1::text[], $2::text[]) as g (name, value)
        )
        select answer.* from (select count(*) from given) as done, (${question}) as answer`,
      values: [Object.keys(settings), Object.values(settings).map(String)],
    })
    return rows[0] as Row
  } catch (error) {
    // Not waited for: a connection that is half open may take long to end.
    void endQuietly(client)
    throw translateError(error)
  }
}

async function endQuietly(client: pg.Client): Promise<void> {
  await client.end().catch(() => undefined)
}

function ignore(): void {
  // Whoever asks next is told.
}
