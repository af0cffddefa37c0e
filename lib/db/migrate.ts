import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { ClusterError } from '../errors.ts'
import type { Database, Queryable } from './database.ts'
import { translateError } from './translate-error.ts'

/** "cluster" in ASCII: with the schema's hash as second key, the lock that one migrating process holds. */
const migrationLockClass = 0x636c7573

/** How often a process that waits for another one's migration looks again, in milliseconds. */
const lockPollMs = 50

/**
 * Brings the schema up to this version. Any number of servers may call it at once: one migrates, the
 * others wait for it.
 * @returns the names of the migrations that this call applied
 * @throws {ClusterError} CW_SCHEMA_NEWER when the schema has migrations that this version does not know
 */
export async function migrate(db: Database): Promise<string[]> {
  // Beside the pool, which may have one connection only. The lock ends with the session.
  const session = await db.connectAlone()
  try {
    while (!(await tryMigrationLock(session, db.schema))) await delay(lockPollMs)
    return await applyMissing(db)
  } catch (error) {
    throw translateError(error)
  } finally {
    await session.end().catch(() => undefined)
  }
}

/**
 * Checks that the schema is the one this version needs.
 * @throws {ClusterError} CW_NOT_MIGRATED or CW_SCHEMA_NEWER
 */
export async function checkMigrated(db: Database): Promise<void> {
  const applied = await appliedMigrations(db)
  refuseNewer(db.schema, applied)
  const missing = listMigrations().filter(name => !applied.includes(name))
  if (missing.length > 0)
    throw new ClusterError(
      'CW_NOT_MIGRATED',
      `the schema "${db.schema}" ${applied.length === 0 ? 'does not exist yet' : `lacks ${missing.join(', ')}`}; run: cluster-worker migrate`,
      { field: 'schema' },
    )
}

async function applyMissing(db: Database): Promise<string[]> {
  refuseNewer(db.schema, await appliedMigrations(db))
  // Loaded when it is needed: most programs never migrate.
  const { default: knexFactory } = await import('knex')
  const knex = knexFactory({ client: 'pg', connectionPool: db.pool, log: silent } as Knex.Config)
  const config: Knex.MigratorConfig = {
    migrationSource: migrationSource(db),
    schemaName: db.schema,
    tableName: 'migration',
  }
  try {
    // Not "if not exists", which asks for the right to create one also when it is there.
    if (!(await schemaExists(db))) await knex.raw(`create schema ${db.t.schema}`)
    // We hold the lock, so a knex lock that is still set belongs to a process that died.
    if (await migrationTableExists(db)) await knex.migrate.forceFreeMigrationsLock(config)
    const [, applied] = (await knex.migrate.latest(config)) as [number, string[]]
    return applied
  } finally {
    await knex.destroy()
  }
}

/** knex would print what it throws as well. */
const silent: Knex.Logger = { warn: ignore, error: ignore, debug: ignore, deprecate: ignore }

function ignore(): void {
  // The caller gets the error.
}

/** The files of `migrations/` under names without their ending; each runs in a transaction of its own. */
function migrationSource(db: Database): Knex.MigrationSource<string> {
  return {
    getMigrations: async () => listMigrations(),
    getMigrationName: name => name,
    getMigration: async name => ({
      async up(knex) {
        const sql = readFileSync(new URL(`${name}.sql`, migrationsFolder()), 'utf8')
        await knex.raw(`set local search_path to ${db.t.schema}, pg_temp`)
        // Not knex.raw, which would take each ? of the file for a parameter.
        const connection = (await knex.client.acquireConnection()) as Queryable
        await connection.query({ text: sql })
      },
      async down() {
        throw new ClusterError(
          'CW_CONFIG',
          'migrations go forward only; restore a backup to go back',
        )
      },
    }),
  }
}

function listMigrations(): string[] {
  return readdirSync(migrationsFolder())
    .filter(file => file.endsWith('.sql'))
    .map(file => file.slice(0, -'.sql'.length))
    .toSorted()
}

/** Beside lib/ in the sources, one level higher beside dist/ in the package. */
function migrationsFolder(): URL {
  const beside = new URL('../../migrations/', import.meta.url)
  return existsSync(fileURLToPath(beside))
    ? beside
    : new URL('../../../migrations/', import.meta.url)
}

async function appliedMigrations(db: Database): Promise<string[]> {
  if (!(await migrationTableExists(db))) return []
  const { rows } = await db.query<{ name: string }>({ text: `select name from ${db.t.migrations}` })
  return rows.map(row => row.name)
}

async function schemaExists(db: Database): Promise<boolean> {
  const { rowCount } = await db.query({
    text: 'select from pg_namespace where nspname = $1',
    values: [db.schema],
  })
  return rowCount === 1
}

async function migrationTableExists(db: Database): Promise<boolean> {
  const { rows } = await db.query<{ found: boolean }>({
    text: 'select to_regclass($1) is not null as found',
    values: [db.t.migrations],
  })
  return rows[0]?.found === true
}

function refuseNewer(schema: string, applied: string[]): void {
  const known = listMigrations()
  const newer = applied.filter(name => !known.includes(name))
  if (newer.length > 0)
    throw new ClusterError(
      'CW_SCHEMA_NEWER',
      `the schema "${schema}" has ${newer.join(', ')}, which this version does not know; install the version that migrated it, or a later one`,
      { field: 'schema' },
    )
}

async function tryMigrationLock(session: Queryable, schema: string): Promise<boolean> {
  const { rows } = await session.query<{ taken: boolean }>({
    text: 'select pg_try_advisory_lock($1, hashtext($2)) as taken',
    values: [migrationLockClass, schema],
  })
  return rows[0]?.taken === true
}
