import { execFile } from 'node:child_process'
import { chown, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import type { Test } from 'tap'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { findPostmaster } from '../../lib/dev/postmaster.ts'
import { until } from './until.ts'

const execute = promisify(execFile)

export interface ReplicationOptions {
  /** Whether the primary answers a commit only when the standby has it. Defaults to true. */
  synchronous?: boolean
  /** More settings of both, as in postgresql.conf. */
  settings?: Readonly<Record<string, string>>
  /** The major version of PostgreSQL. */
  major?: number
}

/** A primary and its standby, as they were at the beginning. */
export interface Replication {
  readonly primary: Replica
  readonly standby: Replica
  /** Names both hosts, the primary first; the other way round for `reversedUrl`. */
  readonly url: string
  readonly reversedUrl: string
}

/** A real primary with a real standby that streams from it. Both are gone when the test ends. */
export async function startReplication(
  test: Test,
  { synchronous = true, settings = {}, major }: ReplicationOptions = {},
): Promise<Replication> {
  const primary = await Replica.create(test, settings, major)
  const standby = await Replica.create(test, settings, major)
  await primary.start()
  await standby.follow(primary)
  if (synchronous) await primary.synchronise(true)
  return {
    primary,
    standby,
    url: urlOfAll([primary, standby]),
    reversedUrl: urlOfAll([standby, primary]),
  }
}

/** One URL that names several servers. */
export function urlOfAll(replicas: readonly Replica[]): string {
  const hosts = replicas.map(({ folder }) => folder).join(',')
  return `postgresql://cluster@/postgres?host=${encodeURIComponent(hosts)}`
}

/** How a server ends: in good order, without, or with SIGKILL to all its processes. */
export type ReplicaEnd = 'fast' | 'immediate' | 'kill'

/**
 * One PostgreSQL that can be a primary or a standby, in a folder of its own with its socket. Like a machine, it is
 * the same one under the same URL after each start.
 */
export class Replica {
  readonly folder: string
  readonly #settings: Readonly<Record<string, string>>
  readonly #major: number | undefined

  private constructor(
    folder: string,
    settings: Readonly<Record<string, string>>,
    major: number | undefined,
  ) {
    this.folder = folder
    this.#settings = settings
    this.#major = major
  }

  static async create(
    test: Pick<Test, 'teardown'>,
    settings: Readonly<Record<string, string>> = {},
    major?: number,
  ): Promise<Replica> {
    const replica = new Replica(await mkdtemp(join(tmpdir(), 'cw-test-')), settings, major)
    test.teardown(async () => {
      await replica.stop('kill')
      await rm(replica.folder, { recursive: true, force: true })
    })
    return replica
  }

  /** Of this server alone. */
  get url(): string {
    return urlOfAll([this])
  }

  /** Starts it as what it was when it ended; resolves when it accepts connections. */
  async start(): Promise<void> {
    await startPostgres({
      folder: this.folder,
      durable: false,
      settings: {
        max_connections: '100',
        // Careless with the machine's crash, but careful with the standby.
        synchronous_commit: 'on',
        wal_keep_size: '256MB',
        wal_receiver_status_interval: '1s',
        wal_retrieve_retry_interval: '100ms',
        unix_socket_directories: this.folder,
        ...this.#settings,
      },
      ...(this.#major === undefined ? {} : { major: this.#major }),
    })
  }

  async stop(how: ReplicaEnd): Promise<void> {
    const postmaster = await findPostmaster(this.#data)
    if (!postmaster) return
    if (how === 'kill') return killAll(postmaster.pid)
    await this.#signal(postmaster.pid, how === 'fast' ? 'SIGINT' : 'SIGQUIT')
  }

  async restart(how: ReplicaEnd): Promise<void> {
    await this.stop(how)
    await this.start()
  }

  /** Makes a standby a primary; resolves when it takes writes. */
  async promote(): Promise<void> {
    await this.ask('select pg_promote(true, 60)')
  }

  /** Throws its data away and becomes a standby of a primary that runs; resolves when it streams. */
  async follow(primary: Replica): Promise<void> {
    await this.stop('kill')
    for (const name of ['data', '.s.PGSQL.5432', '.s.PGSQL.5432.lock'])
      await rm(join(this.folder, name), { recursive: true, force: true })
    await primary.#copyTo(this.#data)
    await writeData(this.#data, 'standby.signal', '')
    // The later line counts.
    const conninfo = `host=${primary.folder} user=cluster application_name=standby`
    const file = 'postgresql.auto.conf'
    const copied = await readFile(join(this.#data, file), 'utf8')
    const own = `primary_conninfo = '${conninfo}'\nsynchronous_standby_names = ''\n`
    await writeData(this.#data, file, `${copied}${own}`)
    await this.start()
    await primary.#untilShown(`select from pg_stat_replication where state = 'streaming'`)
  }

  /** Whether its commits wait for a standby, beginning with the next one. */
  async synchronise(synchronous: boolean): Promise<void> {
    await this.ask(`alter system set synchronous_standby_names = '${synchronous ? '*' : ''}'`)
    await this.ask('select pg_reload_conf()')
    // The reload reaches the sessions a moment later, and new ones at once.
    const names = synchronous ? '*' : ''
    await this.#untilShown(`select where current_setting('synchronous_standby_names') = '${names}'`)
    if (synchronous)
      await this.#untilShown(`select from pg_stat_replication where sync_state = 'sync'`)
  }

  /** Asks this server, be it a standby, on a connection of its own. */
  async ask<Row>(text: string): Promise<Row[]> {
    const client = new Client({ connectionString: this.url })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(text)).rows as Row[]
    } finally {
      await client.end()
    }
  }

  get #data(): string {
    return join(this.folder, 'data')
  }

  /** Resolves when the statement gives a row, on one connection. */
  async #untilShown(text: string): Promise<void> {
    const client = new Client({ connectionString: this.url })
    await client.connect()
    await until(async () => ((await client.query(text)).rowCount ?? 0) > 0)
    await client.end()
  }

  /** A copy of a server that runs: what is torn in it is mended by what the primary goes on to send. */
  async #copyTo(data: string): Promise<void> {
    const client = new Client({ connectionString: this.url })
    await client.connect()
    try {
      const { rows: versions } = await client.query<{ server_version_num: string }>(
        'show server_version_num',
      )
      const isOld = Number(versions[0]?.server_version_num) < 150_000
      await client.query(
        isOld
          ? `select pg_start_backup('copy', true, false)`
          : `select pg_backup_start('copy', true)`,
      )
      // Files that vanish meanwhile are none that the copy needs.
      await execute('cp', ['-a', this.#data, data]).catch((error: { stderr?: string }) => {
        const strange = error.stderr?.split('\n').filter(line => line && !/No such file/.test(line))
        if (strange?.length !== 0) throw error
      })
      const { rows } = await client.query<{ labelfile: string }>(
        isOld
          ? 'select * from pg_stop_backup(false, false)'
          : 'select * from pg_backup_stop(false)',
      )
      await writeData(data, 'backup_label', rows[0]?.labelfile ?? '')
      for (const name of ['postmaster.pid', 'postmaster.opts', 'standby.signal'])
        await rm(join(data, name), { force: true })
    } finally {
      await client.end()
    }
  }

  async #signal(pid: number, signal: NodeJS.Signals): Promise<void> {
    process.kill(pid, signal)
    await until(async () => (await findPostmaster(this.#data)) === undefined)
  }
}

/** A file as the account has it that PostgreSQL runs as. */
async function writeData(data: string, name: string, text: string): Promise<void> {
  const { uid, gid } = await stat(data)
  await writeFile(join(data, name), text)
  await chown(join(data, name), uid, gid)
}

/** The first process first, so that it starts no more. */
async function killAll(postmaster: number): Promise<void> {
  process.kill(postmaster, 'SIGSTOP')
  const children = await childrenOf(postmaster)
  for (const pid of [postmaster, ...children])
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  await until(async () => {
    const states = await Promise.all([postmaster, ...children].map(readStatus))
    return states.every(status => status === undefined || status.state === 'Z')
  })
}

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(pid => pid > 0)
  const found = await Promise.all(
    pids.map(async pid => ((await readStatus(pid))?.parent === parent ? [pid] : [])),
  )
  return found.flat()
}

async function readStatus(pid: number): Promise<{ state: string; parent: number } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return state ? { state, parent: Number(parent) } : undefined
}
