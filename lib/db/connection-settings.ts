import pg from 'pg'
import { Database } from './database.ts'
import { primaryClient } from './primary-client.ts'
import { Primary } from './primary.ts'

/** How to reach a database: plain data, which another process can be told as JSON. */
export interface ConnectionSettings {
  readonly connectionString?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly database?: string | undefined
  readonly ssl?: boolean | Readonly<Record<string, unknown>> | undefined
  /** The variables that the driver reads, such as PGHOST and PGPASSWORD. */
  readonly environment: Readonly<Record<string, string>>
}

/**
 * What another process needs to connect as a pool does. Functions cannot be told: a password that comes from one
 * is asked for now, and what else is a function is left out.
 */
export async function connectionSettingsOf({ options }: pg.Pool): Promise<ConnectionSettings> {
  const { connectionString, host, port, user, password, database, ssl } = options
  return {
    connectionString,
    host,
    port,
    user,
    password: typeof password === 'function' ? await password() : password,
    database,
    ssl: typeof ssl === 'object' ? plainTls(ssl) : ssl,
    environment: driverVariables(),
  }
}

/** Opens what another process or thread of ours was told; it connects when it is first used. */
export function openDatabase(
  { environment, ...connection }: ConnectionSettings,
  about: { schema: string; applicationName: string; longestAnswerMs?: number },
): Database {
  Object.assign(process.env, environment)
  const { schema, applicationName, longestAnswerMs } = about
  const pool = new pg.Pool({
    ...connection,
    application_name: applicationName,
    max: 1,
    ...(longestAnswerMs !== undefined && {
      connectionTimeoutMillis: longestAnswerMs,
      statement_timeout: longestAnswerMs,
      query_timeout: longestAnswerMs,
    }),
    Client: primaryClient(new Primary(connection.connectionString)),
  })
  pool.on('error', () => undefined)
  return new Database({ pool, schema, applicationName, maxConnections: 1 })
}

/** Key and certificates may be given as bytes. The pool hides the key from whoever lists its options. */
function plainTls(ssl: object): Record<string, unknown> {
  const given: Record<string, unknown> = { ...ssl, ...('key' in ssl && { key: ssl.key }) }
  const entries = Object.entries(given).map(([name, value]) => [
    name,
    Buffer.isBuffer(value) ? value.toString() : value,
  ])
  return Object.fromEntries(entries)
}

function driverVariables(): Record<string, string> {
  const entries = Object.entries(process.env).flatMap(([name, value = '']) =>
    name.startsWith('PG') ? [[name, value] as const] : [],
  )
  return Object.fromEntries(entries)
}

/** A password that comes from a function may have run out: asks for another one, if it does. */
export function renewPassword(
  db: Database,
  use: (settings: ConnectionSettings) => void,
  onError: (error: unknown) => void,
): void {
  if (typeof db.pool.options.password !== 'function') return
  connectionSettingsOf(db.pool).then(use, onError)
}
