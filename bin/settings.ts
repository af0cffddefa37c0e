import { resolve } from 'node:path'
import { ClusterError } from '../lib/errors.ts'
import type { ServerOptions } from '../lib/options.ts'
import type { FlagValues } from './define-command.ts'
import { readDevNote } from './dev-note.ts'
import { talk } from './output.ts'

/** What a command is told by flags, environment, configuration file and development server together. */
export interface Settings {
  readonly options: ServerOptions
  /** The configuration file that was read, if there is one. */
  readonly file: string | undefined
  /** The data folder of the development server whose database is used because no other was named. */
  readonly devFolder: string | undefined
}

/**
 * Puts the settings together. Where nothing names a database, the one of `cluster-worker dev` in this
 * folder is taken, if there is one.
 * @throws {ClusterError} CW_OPTION, CW_CONFIG
 */
export async function readSettings(given: FlagValues): Promise<Settings> {
  const settings = await readOwnSettings(given)
  if (settings.options.connectionString !== undefined) return settings
  const folder = resolve(settings.options.dataDir)
  const note = await readDevNote(folder)
  return note ? { ...(await readOwnSettings(given, note)), devFolder: folder } : settings
}

/**
 * Puts the settings together, without a look at the development server's.
 * @param defaults what counts where nothing else is given
 * @throws {ClusterError} CW_OPTION, CW_CONFIG
 */
export async function readOwnSettings(
  given: FlagValues,
  defaults: Partial<ServerOptions> = {},
): Promise<Settings> {
  const { loadConfig } = await import('../lib/config/load-config.ts')
  const { resolveOptions } = await import('../lib/config/resolve-options.ts')
  const { env } = process
  const named = typeof given['config'] === 'string' ? given['config'] : undefined
  const config = await loadConfig({ cwd: process.cwd(), env, file: named })
  const file = { ...defaults, ...config.options }
  const options = resolveOptions({ flags: given, env, file })
  return { options, file: config.file, devFolder: undefined }
}

/**
 * The database to ask.
 * @throws {ClusterError} CW_CONFIG when nothing names one
 */
export function requireDatabase({ options: { connectionString } }: Settings): string {
  if (connectionString !== undefined) return connectionString
  throw new ClusterError(
    'CW_CONFIG',
    'expected a database: --database-url, DATABASE_URL or databaseUrl in the configuration file, got none; to try things out, run cluster-worker dev in this folder',
    { field: 'connectionString' },
  )
}

/** Tells a person, who may have forgotten it, which database is used. */
export function mentionDevDatabase({ devFolder }: Settings, given: FlagValues): void {
  if (devFolder !== undefined && (process.stderr.isTTY || given['verbose'] === true))
    talk(`using the development database of ${devFolder}`)
}
