import { setTimeout as delay } from 'node:timers/promises'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startPostgres } from '../lib/dev/embedded-postgres.ts'
import type { BenchClient } from './contender.ts'
import { loadContender, type ContenderName } from './contenders.ts'

/** A database of its own for one measurement, with the contender's tables. */
export interface Place {
  readonly contender: ContenderName
  readonly url: string
  /** A session for the case's own statements. */
  readonly session: pg.Client
  readonly client: BenchClient
}

/** The PostgreSQL that all measurements of a run share. */
export class Arena {
  readonly #url: string
  readonly #close: () => Promise<void>

  private constructor(url: string, close: () => Promise<void>) {
    this.#url = url
    this.#close = close
  }

  /** A server of our own with the default, durable settings; or the one that is given. */
  static async open(given: string | undefined): Promise<Arena> {
    if (given) return new Arena(given, async () => undefined)
    const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-bench-postgres-'))
    // Room for the connections of many servers; all else as PostgreSQL comes.
    const server = await startPostgres({ folder, settings: { max_connections: '400' } })
    return new Arena(server.url, async () => {
      await server.stop('immediate')
      await rm(folder, { recursive: true, force: true })
      await rm(server.folder, { recursive: true, force: true })
    })
  }

  /** The name of the server's version and its settings that are not the defaults. */
  async describe(): Promise<{ version: string; settings: Record<string, string> }> {
    return this.#asAdmin(async admin => {
      const { rows } = await admin.query<{ name: string; setting: string }>(`
        select name, current_setting(name) as setting from pg_settings
        where name in ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers',
          'max_connections', 'max_wal_size', 'autovacuum', 'autovacuum_naptime', 'wal_level')
        order by name`)
      const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
      return { version: settings['server_version'] ?? 'unknown', settings }
    })
  }

  async close(): Promise<void> {
    await this.#close()
  }

  /** Makes a database with the contender's tables for the work, and drops it afterwards. */
  async inDatabase<T>(contender: ContenderName, work: (place: Place) => Promise<T>): Promise<T> {
    const name = `cw_bench_${randomBytes(4).toString('hex')}`
    await this.#asAdmin(admin => admin.query(`create database ${name}`))
    const url = databaseUrl(this.#url, name)
    const session = await connect(url)
    try {
      const library = await loadContender(contender)
      await library.prepare(url)
      const client = await library.openClient(url)
      try {
        return await work({ contender, url, session, client })
      } finally {
        await client.close()
      }
    } finally {
      await session.end()
      await this.#asAdmin(admin => drop(admin, name))
    }
  }

  async #asAdmin<T>(work: (admin: pg.Client) => Promise<T>): Promise<T> {
    const admin = await connect(databaseUrl(this.#url))
    try {
      return await work(admin)
    } finally {
      await admin.end()
    }
  }
}

/** How long the sessions of a contender that was told to close may take to end, in milliseconds. */
const longestFarewellMs = 5000

/** A session that is ended under a peer's pool, after it was told to close, would end this program with it. */
async function drop(admin: pg.Client, name: string): Promise<void> {
  const giveUpAt = performance.now() + longestFarewellMs
  const isUsed = async (): Promise<boolean> => {
    const { rows } = await admin.query(`select from pg_stat_activity where datname = $1`, [name])
    return rows.length > 0
  }
  while ((await isUsed()) && performance.now() < giveUpAt) await delay(50)
  await admin.query(`drop database ${name} with (force)`)
}

/** Opens a connection whose failures reach the query in flight only. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** With a host, too, which some libraries cannot do without; that of the query, a socket's folder, still counts. */
function databaseUrl(url: string, name?: string): string {
  const [, start = '', host = '', path = '', query = ''] =
    /^([a-z]+:\/\/(?:[^@/?]*@)?)([^/?]*)(\/[^?]*)?(\?.*)?$/.exec(url) ?? []
  return `${start}${host || 'localhost'}${name === undefined ? path : `/${name}`}${query}`
}
