import { join } from 'node:path'
import { ClusterError, messageOf } from '../errors.ts'
import { findPostgresBinaries } from './postgres-binaries.ts'
import { ensureData } from './postgres-data.ts'
import { preparePostgresHome } from './postgres-folder.ts'
import { ensureRunning, stopRunning } from './postgres-server.ts'
import type { StopMode } from './postgres-server.ts'
import type { PostmasterNotes } from './postmaster.ts'

export interface PostgresOptions {
  /** The folder for the data, the log and the socket, and for nothing else. Made if missing. */
  folder: string
  /** Whether data survives a crash of the machine; all is faster without. Defaults to true. */
  durable?: boolean
  /** The major version, such as 18. Defaults to the one that is installed for this platform. */
  major?: number | string
  /** The superuser. Has no password: whoever can enter the socket's folder is let in. Defaults to `cluster`. */
  user?: string
  /** Settings as in postgresql.conf. A server that is adopted keeps those it was started with. */
  settings?: Readonly<Record<string, string>>
}

/** A PostgreSQL server of our own. It outlives this process, and is adopted by the next. */
export interface EmbeddedPostgres {
  /** Of the database `postgres`, over a unix socket; there is no port unless the settings ask for it. */
  url: string
  /** Whether somebody else started it. */
  adopted: boolean
  /** Where everything is: the folder that was asked for, or the one that its file LOCATION names. */
  folder: string
  /** Ends the server for everybody who uses it. Mode defaults to `fast`. */
  stop(mode?: StopMode): Promise<void>
}

/**
 * Starts PostgreSQL in the folder, or adopts the server that runs there already. Any number of
 * processes may call it at once; all get the same server. When we are root it runs as another user.
 * @throws {ClusterError} CW_OPTION, CW_CONFIG when the folder or the installed programs cannot be
 *   used, CW_CONNECTION when the server does not start
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { folder: wanted, durable = true, user = 'cluster', settings = {} } = options
  refuseWindows()
  const major = readMajor(options.major)
  try {
    const home = await preparePostgresHome(wanted)
    const binaries = await findPostgresBinaries(home.account, major)
    const server = { ...home, data: join(home.folder, 'data'), binaries, user, durable, settings }
    await ensureData(server)
    const { notes, adopted } = await ensureRunning(server)
    const stop = (mode: StopMode = 'fast'): Promise<void> => stopRunning(server, mode)
    return { url: urlOf(notes, user), adopted, folder: home.folder, stop }
  } catch (error) {
    if (error instanceof ClusterError) throw error
    const message = `expected to set up PostgreSQL in ${wanted}, got: ${messageOf(error)}`
    throw new ClusterError('CW_CONFIG', message, { field: 'folder', cause: error })
  }
}

function readMajor(major: number | string | undefined): number | undefined {
  if (major === undefined) return undefined
  if (/^\d\d$/.test(String(major))) return Number(major)
  throw new ClusterError(
    'CW_OPTION',
    `expected major to be a version of PostgreSQL such as 18, got ${major}`,
    { field: 'major' },
  )
}

function refuseWindows(): void {
  if (process.platform === 'win32')
    throw new ClusterError(
      'CW_CONFIG',
      'expected Linux or macOS for a PostgreSQL of our own, got Windows; set DATABASE_URL',
    )
}

/** With the port, since PGPORT would count otherwise. */
function urlOf({ socketFolder, port }: PostmasterNotes, user: string): string {
  const host = encodeURIComponent(socketFolder)
  return `postgresql://${encodeURIComponent(user)}@/postgres?host=${host}&port=${port}`
}
