import type { Database } from './database.ts'

/** A setting of the whole cluster: undefined unless somebody has set it. */
export async function readSetting(db: Database, name: string): Promise<unknown> {
  const { rows } = await db.query<{ value: unknown }>({
    text: `select value from ${db.t.setting} where name = $1`,
    values: [name],
  })
  return rows[0]?.value
}

/** @param value null to go back to the default */
export async function writeSetting(
  db: Database,
  name: string,
  value: string | number | object | null,
): Promise<void> {
  const { t } = db
  await db.query(
    value === null
      ? { text: `delete from ${t.setting} where name = $1`, values: [name] }
      : {
          text: `
            insert into ${t.setting} (name, value) values ($1, $2::jsonb)
            on conflict (name) do update set value = excluded.value, changed_at = now()`,
          values: [name, JSON.stringify(value)],
        },
  )
}

/**
 * The value that the cluster has agreed on: the one that is there, or `proposed` when there is none yet. Several may
 * propose at once; all get the same.
 */
export async function agreeOnSetting(
  db: Database,
  name: string,
  proposed: string,
): Promise<string> {
  const { t } = db
  const agreed = await readSetting(db, name)
  if (typeof agreed === 'string') return agreed
  const { rows } = await db.query<{ value: string }>({
    text: `
      insert into ${t.setting} as s (name, value) values ($1, to_jsonb($2::text))
      on conflict (name) do update set name = s.name returning value #>> '{}' as value`,
    values: [name, proposed],
  })
  return rows[0]?.value ?? proposed
}

/**
 * Whether it is this server's turn to do what one server does for all, once in so many milliseconds by the database's
 * clock. One statement, so that of many who ask at once one gets the turn: those who come second wait for the row of the first,
 * and find it changed. Who asks too early writes nothing and locks nothing.
 */
export async function takeTurn(db: Database, name: string, everyMs: number): Promise<boolean> {
  const { t } = db
  const { rowCount } = await db.query({
    name: `${db.schema}.take-turn`,
    text: `
      insert into ${t.setting} as s (name, value)
      select $1, 'null' where not exists (
        select from ${t.setting} where name = $1 and changed_at >= now() - $2::float8 * interval '1 ms')
      on conflict (name) do update set changed_at = now()
        where s.changed_at < now() - $2::float8 * interval '1 ms'`,
    values: [name, everyMs],
  })
  return rowCount === 1
}
