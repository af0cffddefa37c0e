import type pg from 'pg'
import { translateError } from './translate-error.ts'

/**
 * Gives a new session its settings; the session is ended when that fails. Not as options of the connection: those of a
 * database URL would take their place, and a session that must end when it falls silent would not.
 */
export async function setForSession(
  client: pg.Client,
  settings: Readonly<Record<string, string | number>>,
): Promise<void> {
  client.on('error', ignore)
  try {
    await client.query({
      text: `
        select set_config(name, value, false) from unnest($1::text[], $2::text[]) as g (name, value)`,
      values: [Object.keys(settings), Object.values(settings).map(String)],
    })
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
