import { Cluster } from '../lib/cluster.ts'
import { ClusterError } from '../lib/errors.ts'
import type { FlagValues } from './define-command.ts'
import { mentionDevDatabase, readSettings, requireDatabase, type Settings } from './settings.ts'

/** Opens the cluster that the settings name, for one command, and closes it again. */
export async function withCluster<Result>(
  given: FlagValues,
  work: (cluster: Cluster, settings: Settings) => Promise<Result>,
): Promise<Result> {
  const settings = await readSettings(given)
  const connectionString = requireDatabase(settings)
  mentionDevDatabase(settings, given)
  const { schema, store, storeDelay, dataDir } = settings.options
  const cluster = new Cluster({ connectionString, schema, store, storeDelay, dataDir })
  try {
    return await work(cluster, settings)
  } catch (error) {
    throw explainDevDatabase(error, settings)
  } finally {
    await cluster.stop()
  }
}

/** The URL of a development database means nothing to whoever did not write it. */
function explainDevDatabase(error: unknown, { devFolder }: Settings): unknown {
  if (devFolder === undefined || !(error instanceof ClusterError) || error.code !== 'CW_CONNECTION')
    return error
  return new ClusterError(
    'CW_CONNECTION',
    `the development database of ${devFolder} does not run; start it with cluster-worker dev (${error.message})`,
    { cause: error },
  )
}
