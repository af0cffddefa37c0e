import type { Database } from './database.ts'

/** The channel on which servers listen for hints. */
export function wakeChannel(db: Database): string {
  return `${db.schema}_wake`
}

/** Tells the servers that listen that there may be something to claim. A hint: nothing depends on it. */
export async function wakeServers(db: Database): Promise<void> {
  await db.query({ text: `select pg_notify($1, 'queue')`, values: [wakeChannel(db)] })
}

/** Tells the servers that listen that a component is to be checked, or a version imported. A hint, too. */
export async function hintComponents(db: Database): Promise<void> {
  await db.query({ text: `select pg_notify($1, 'component')`, values: [wakeChannel(db)] })
}
