import { Cluster } from '../lib/cluster.ts'
import { ClusterError } from '../lib/errors.ts'
import type { ServerOptions } from '../lib/options.ts'
import type { Definitions } from '../lib/config/load-definitions.ts'
import type { FlagValues } from './define-command.ts'
import { readDefinitions } from './definitions.ts'
import type { ExitCode } from './exit-code.ts'
import { runServer } from './run-server.ts'
import { openServerLog, type ServerLog } from './server-log.ts'
import { mentionDevDatabase, readSettings, requireDatabase } from './settings.ts'

/** Runs a server as the flags, the environment and the configuration file say, until it is stopped. */
export async function startServer(
  given: FlagValues,
  { migrate, takeIdentity }: { migrate: boolean; takeIdentity: boolean },
): Promise<ExitCode> {
  const settings = await readSettings(given)
  const { options } = settings
  const connectionString = requireDatabase(settings)
  mentionDevDatabase(settings, given)
  if (options.processes.length === 0 && options.role !== 'read-only')
    throw new ClusterError(
      'CW_CONFIG',
      'expected at least one process to run: name their files or folders with --processes, CLUSTER_PROCESSES or processes in the configuration file',
      { field: 'processes' },
    )
  const definitions = await readDefinitions(options.processes)
  const log = await openServerLog(options.logLevel)
  const cluster = openCluster({ ...options, connectionString }, definitions, log)
  if (migrate)
    for (const name of await cluster.migrate()) log.logger.info({ migration: name }, 'migrated')
  return runServer(cluster, log, { takeIdentity })
}

/** A cluster that is to be a server. */
export function openCluster(
  options: ServerOptions & { connectionString: string },
  definitions: Definitions,
  { logger }: ServerLog,
): Cluster {
  return new Cluster({ ...options, ...definitions, logger })
}
