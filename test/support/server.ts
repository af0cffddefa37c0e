import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import type { EmbeddedPostgres } from '../../lib/dev/embedded-postgres.ts'

/** The PostgreSQL of one run of tap. Written by before.ts, ended by after.ts. */
export interface RunServer {
  /** Of a database that may be used to create others. */
  url: string
  /** The name of the migrated template, which the first test that needs it creates. */
  template: string
  /** Where a throw-away server lives; nothing when DATABASE_URL names the server. */
  folder?: string
}

/** The file that tells the tests of one run where their server is. A run is known by tap's process. */
export function runFileOf(tapPid: number): string {
  return resolve('.tap/postgres', `${tapPid}.json`)
}

/** What before.ts wrote for the run that this process belongs to, if it belongs to one. */
export async function readRunServer(tapPid: number): Promise<RunServer | undefined> {
  try {
    const server: RunServer = JSON.parse(await readFile(runFileOf(tapPid), 'utf8'))
    return server
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

export function nameTemplate(): string {
  return `cw_template_${randomBytes(6).toString('hex')}`
}

/** A server that loses its data when it or the machine crashes, in a folder of its own. */
export async function startThrowAway(major?: number): Promise<EmbeddedPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'cw-test-'))
  return startPostgres({
    folder,
    durable: false,
    settings: { max_connections: '300' },
    ...(major === undefined ? {} : { major }),
  })
}

/** Ends a throw-away server and removes all of it. */
export async function endThrowAway(server: EmbeddedPostgres): Promise<void> {
  await server.stop('immediate')
  await rm(server.folder, { recursive: true, force: true })
}

/** A PostgreSQL of the given major version for one test, which is gone when the test ends. */
export async function startServer(t: Test, major?: number): Promise<EmbeddedPostgres> {
  const server = await startThrowAway(major)
  t.teardown(() => endThrowAway(server))
  return server
}
