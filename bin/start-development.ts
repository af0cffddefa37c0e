import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres, type EmbeddedPostgres } from '../lib/dev/embedded-postgres.ts'
import { hello } from '../lib/dev/hello.ts'
import type { ServerOptions } from '../lib/options.ts'
import type { Process } from '../lib/step/define-process.ts'
import type { FlagValues } from './define-command.ts'
import type { Definitions } from '../lib/config/load-definitions.ts'
import { readDefinitions } from './definitions.ts'
import { removeDevNote, writeDevNote } from './dev-note.ts'
import type { ExitCode } from './exit-code.ts'
import { talk } from './output.ts'
import { runServer } from './run-server.ts'
import { openServerLog } from './server-log.ts'
import { readOwnSettings } from './settings.ts'
import { onStopSignal } from './stop-signal.ts'
import { openCluster } from './start-server.ts'

/**
 * Runs a database that keeps its data in the data folder, unless one is given, and one server, until
 * it is stopped. Meanwhile the other commands in this folder find the database by a note.
 */
export async function startDevelopment(given: FlagValues): Promise<ExitCode> {
  const { options } = await readOwnSettings(given)
  const definitions = await findDefinitions(options)
  const folder = resolve(options.dataDir)
  // Whoever gives up while the database is set up leaves none behind either.
  let early: ExitCode | undefined
  const ignoreSignals = onStopSignal((_signal, code) => (early ??= code))
  const postgres = await startDatabase(options, folder)
  const connectionString = options.connectionString ?? postgres?.url ?? ''
  const log = await openServerLog(options.logLevel)
  // Not the folder that `start` would use here.
  const about = { connectionString, nodeId: 'dev', dataDir: join(folder, 'dev') }
  const server = openCluster({ ...options, ...about }, definitions, log)
  let code: ExitCode
  try {
    await server.migrate()
    await writeDevNote(folder, { connectionString, schema: options.schema })
    ignoreSignals()
    code =
      early ??
      (await runServer(server, log, {
        onStarted: () => greet(definitions.processes, postgres),
        // A folder that was thrown away is no reason to refuse anybody here.
        takeIdentity: true,
      }))
  } catch (error) {
    // What ran before us may belong to another development server, and goes on.
    if (postgres && !postgres.adopted) await postgres.stop()
    throw error
  }
  await removeDevNote(folder)
  await postgres?.stop()
  return code
}

async function startDatabase(
  { connectionString }: ServerOptions,
  folder: string,
): Promise<EmbeddedPostgres | undefined> {
  if (connectionString !== undefined) return undefined
  return startPostgres({ folder: join(folder, 'postgres'), durable: true })
}

/** What was named, else the folder `processes`, else the examples of this package, else a greeting. */
async function findDefinitions({ processes }: ServerOptions): Promise<Definitions> {
  if (processes.length > 0) return readDefinitions(processes)
  const examples = fileURLToPath(new URL('../examples/processes', import.meta.url))
  const folder = ['processes', examples].find(path => existsSync(path))
  return folder === undefined ? { processes: [hello], sources: [] } : readDefinitions([folder])
}

function greet(processes: readonly Process[], postgres: EmbeddedPostgres | undefined): void {
  const names = processes.map(({ name }) => name)
  const example = names.includes('hello') ? 'hello' : names[0]
  // Started by npx, the binary is on no PATH.
  const binary = process.env['npm_command'] === 'exec' ? 'npx cluster-worker' : 'cluster-worker'
  talk(
    [
      postgres ? `PostgreSQL runs in ${postgres.folder}` : 'Using the database that was given.',
      `The server knows ${names.join(', ')}.`,
      'In another terminal, in this folder, try:',
      `  ${binary} enqueue ${example} --follow`,
      `  ${binary} list`,
      `  ${binary} nodes`,
      'Ctrl-C stops all of it.',
    ].join('\n'),
  )
}
