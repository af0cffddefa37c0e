import type pg from 'pg'
import type { SourceType } from './artifact/source.ts'
import type { Duration } from './base/duration.ts'
import type { Logger } from './base/logger.ts'
import { ClusterError } from './errors.ts'
import {
  completeOptions,
  type HandBack,
  type LogLevel,
  type ProfileName,
  type Role,
  type ServerOptions,
} from './options.ts'
import { parseOptions } from './read-options.ts'
import { isProcess, type Process } from './step/define-process.ts'

export interface ClusterOptions {
  /** A PostgreSQL URL, which may name several hosts. Either this or `pool`. Defaults to the environment variable DATABASE_URL. */
  connectionString?: string
  /** A pool of the application's own. It is left open by `stop`. */
  pool?: pg.Pool
  /** The PostgreSQL schema of this installation. Defaults to `cluster_worker`. */
  schema?: string
  /** The processes that this server runs. Not needed to enqueue by name. */
  processes?: readonly Process[]
  /** Stable, and unique among the servers. Defaults to the host's name. */
  nodeId?: string
  /**
   * `active` claims requests; `standby` claims while no other server does; `read-only` answers questions, and its methods
   * that write throw CW_READ_ONLY. Its sessions are read-only, too, except in a `pool` of yours. Defaults to `active`.
   */
  role?: Role
  /** When a standby that has taken over stops claiming: when an active server claims again, or by hand. Defaults to `automatic`. */
  handBack?: HandBack
  /** How many requests run here at the same time. Defaults to 10. */
  concurrency?: number
  /** The server's own folder: the node id belongs to it, and runs have their folders there. Defaults to `.cluster-worker`. */
  dataDir?: string
  /** How often a server with free slots looks for work. Defaults to `1s`. */
  pollInterval?: Duration
  /** How much the pauses between polls vary, as a part of them. Defaults to 0.2. */
  pollJitter?: number
  /** Whether hints by LISTEN shorten the polling. Defaults to true. */
  listen?: boolean
  /** How long `stop` waits for what runs, unless it is told. Defaults to `none`: until all has finished. */
  drainTimeout?: Duration
  /** How long what was asked to stop may take before force is used. Defaults to `5s`. */
  killGrace?: Duration
  /** Environment variables of this process that commands may see, beside PATH, HOME and the like. */
  passEnv?: readonly string[]
  /** `fast` has shorter defaults for `lostAfter` and the like, for a local network without long pauses. Defaults to `default`. */
  profile?: ProfileName
  /** How long a server that vanished is waited for before it is declared lost. Defaults to `5s`, or `2s` with the profile `fast`; 2 s at least. */
  lostAfter?: Duration
  /** How long work goes on while every host of the database refuses connections, as in a restart. Defaults to `40s`. */
  outageGrace?: Duration
  /** How long this program's event loop may be blocked before the server counts as dead. Defaults to `30s`. */
  stallLimit?: Duration
  /**
   * Whether a helper process stops all commands when this program dies, and reports the loss at once. It ends a
   * program that is frozen for most of `lostAfter`, or whose event loop is blocked for longer than `stallLimit`.
   * Defaults to true; Linux only.
   */
  guardian?: boolean
  /** How long finished requests are kept, with their logs: a duration, or `forever`. Defaults to `30d`. */
  retention?: Duration
  /** How many bytes of output are kept per step. Defaults to 16 MiB. */
  outputLimit?: number
  /** Where versions' files are kept: `postgres:`, a shared folder, or `s3://bucket/prefix`. The same everywhere. Defaults to `postgres:`. */
  store?: string
  /** How long a reader waits for a file that the store does not show yet. Defaults to `10s`. */
  storeDelay?: Duration
  /** How many bytes of versions' files this server keeps on its own disk. Defaults to 2 GiB. */
  cacheSize?: number
  /** Whether this server takes its part in asking sources for new versions. Defaults to true. */
  checkVersions?: boolean
  /** How many versions this server imports at once. Defaults to 2; 0 for none. */
  importsAtOnce?: number
  /** Types of sources of your own, made by defineSource. */
  sources?: readonly SourceType[]
  /** A pino logger, or anything with its methods. Defaults to none. */
  logger?: Logger
  /** Only read by the binary, which makes the logger. */
  logLevel?: LogLevel
}

/**
 * The options that are plain values, checked, with the defaults.
 * @throws {ClusterError} CW_OPTION
 */
export function readClusterOptions(
  plain: Omit<ClusterOptions, 'pool' | 'processes' | 'sources' | 'logger'>,
  pool: pg.Pool | undefined,
): ServerOptions {
  return completeOptions(withDatabaseUrl(parseOptions(plain, 'program'), pool))
}

/** @throws {ClusterError} CW_OPTION when one is no process, or two have one name */
export function indexByName(processes: readonly Process[]): Map<string, Process> {
  const named = new Map<string, Process>()
  for (const [index, process] of processes.entries()) {
    if (!isProcess(process))
      throw new ClusterError(
        'CW_OPTION',
        `expected processes[${index}] to be made by defineProcess, got ${typeof process}`,
        { field: 'processes' },
      )
    if (named.has(process.name))
      throw new ClusterError(
        'CW_OPTION',
        `expected each process to have a name of its own, got two named '${process.name}'`,
        { field: 'processes' },
      )
    named.set(process.name, process)
  }
  return named
}

function withDatabaseUrl(
  options: Partial<ServerOptions>,
  pool: pg.Pool | undefined,
): Partial<ServerOptions> {
  if (pool || options.connectionString) return options
  const fromEnvironment = process.env['DATABASE_URL']
  if (!fromEnvironment)
    throw new ClusterError(
      'CW_OPTION',
      'expected connectionString or pool to be given, or DATABASE_URL to be set',
      { field: 'connectionString' },
    )
  return { ...options, ...parseOptions({ connectionString: fromEnvironment }, 'program') }
}

/** @throws {ClusterError} CW_READ_ONLY in the role `read-only` */
export function checkMayWrite({ role }: Pick<ServerOptions, 'role'>): void {
  if (role === 'read-only')
    throw new ClusterError(
      'CW_READ_ONLY',
      'nothing was changed, because the role here is read-only; ask a program or a server that has another role',
      { field: 'role' },
    )
}
