import { chown, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ClusterError } from '../errors.ts'
import { failureOf, runAs } from './postgres-account.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import type { PostgresHome } from './postgres-folder.ts'
import { discardMisleadingNotes, findPostmaster, readPostmasterNotes } from './postmaster.ts'
import type { PostmasterNotes } from './postmaster.ts'

/** All that it takes to run one server. */
export interface PostgresServer extends PostgresHome {
  /** The data folder, which lies in the server's folder beside its log and, if short enough, its socket. */
  data: string
  binaries: PostgresBinaries
  user: string
  durable: boolean
  settings: Readonly<Record<string, string>>
}

/** `fast` rolls back what is open; `immediate` is a crash that the next start recovers from. */
export type StopMode = 'fast' | 'immediate'

const timeoutMs = 60_000
const pollMs = 50
const socketFolderPrefix = 'cw-pg-'

/**
 * Starts the server, or waits for the one that somebody else started.
 * @throws {ClusterError} CW_CONNECTION when it is not ready after a minute
 */
export async function ensureRunning(
  server: PostgresServer,
): Promise<{ notes: PostmasterNotes; adopted: boolean }> {
  const { data } = server
  const giveUpAt = performance.now() + timeoutMs
  let isOurs = false
  let failure: unknown
  for (;;) {
    const notes = await findPostmaster(data)
    if (notes?.ready) return { notes, adopted: !isOurs }
    if (performance.now() > giveUpAt) throw await explainFailure(server, failure)
    if (!notes) {
      const remains = await readPostmasterNotes(data)
      failure = await start(server)
      isOurs = failure === undefined
      if (isOurs && remains) await removeSocketFolder(remains)
      // The children of a server that was killed are in the way until the last of them is gone.
      const mayPass = remains !== undefined || (await findPostmaster(data)) !== undefined
      if (!isOurs && !mayPass) throw await explainFailure(server, failure)
    }
    if (!isOurs) await delay(pollMs)
  }
}

/**
 * Ends the server and waits until it is gone. Does nothing when none runs.
 * @throws {ClusterError} CW_CONNECTION when it goes on
 */
export async function stopRunning(server: PostgresServer, mode: StopMode): Promise<void> {
  const { folder, account, data, binaries } = server
  const notes = await findPostmaster(data)
  if (!notes) return
  const args = ['stop', '-w', '-t', String(timeoutMs / 1000), '-m', mode]
  try {
    await runAs({ account, cwd: folder, data }, binaries.pgCtl, args)
  } catch (error) {
    if (await findPostmaster(data))
      throw new ClusterError(
        'CW_CONNECTION',
        `expected the PostgreSQL server in ${folder} to stop, got: ${failureOf(error)}`,
        { cause: error },
      )
  }
  await removeSocketFolder(notes)
}

/** Returns nothing, or why it did not start. */
async function start(server: PostgresServer): Promise<unknown> {
  const { folder, account, data, binaries } = server
  await discardMisleadingNotes(data)
  const socketFolder = await makeSocketFolder(server)
  const options = quoteSettings(server, socketFolder)
  const wait = ['-w', '-t', String(timeoutMs / 1000)]
  const args = ['start', ...wait, '-l', 'server.log', '-o', options]
  try {
    await runAs({ account, cwd: folder, data }, binaries.pgCtl, args)
    return undefined
  } catch (error) {
    await removeSocketFolder({ socketFolder })
    return error
  }
}

/** For pg_ctl, which hands its options to a shell. */
function quoteSettings({ durable, settings }: PostgresServer, socketFolder: string): string {
  const careless = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
  const all: Record<string, string> = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    ...(durable ? {} : careless),
    ...settings,
  }
  return Object.entries(all)
    .map(([name, value]) => `-c '${`${name}=${value}`.replaceAll("'", String.raw`'\''`)}'`)
    .join(' ')
}

/** The server's own folder, unless the socket's path would get longer than the system allows (104 bytes). */
async function makeSocketFolder({ folder, account }: PostgresServer): Promise<string> {
  if (isShort(folder) && /^[\w/.-]+$/.test(folder)) return folder
  const place = isShort(tmpdir()) ? tmpdir() : '/tmp'
  const socketFolder = await mkdtemp(join(place, socketFolderPrefix))
  if (account.uid !== undefined && account.gid !== undefined)
    await chown(socketFolder, account.uid, account.gid)
  return socketFolder
}

async function removeSocketFolder({ socketFolder }: { socketFolder: string }): Promise<void> {
  if (basename(socketFolder).startsWith(socketFolderPrefix))
    await rm(socketFolder, { recursive: true, force: true })
}

function isShort(path: string): boolean {
  return Buffer.byteLength(path) <= 70
}

async function explainFailure({ folder }: PostgresServer, cause: unknown): Promise<ClusterError> {
  const path = join(folder, 'server.log')
  const log = await readFile(path, 'utf8').catch(() => '')
  const lastLines = log.trimEnd().split('\n').slice(-10).join('\n')
  const reason = cause === undefined ? 'no sign of it in a minute' : failureOf(cause)
  return new ClusterError(
    'CW_CONNECTION',
    `expected the PostgreSQL server in ${folder} to start, got: ${reason}\nThe last lines of ${path}:\n${lastLines}`,
    { cause, folder },
  )
}
