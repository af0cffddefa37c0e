import type { Test } from 'tap'
import { Cluster, type ClusterOptions, type Process } from '../../lib/index.ts'
import { createDatabase } from './database.ts'

export interface TestCluster {
  readonly cluster: Cluster
  readonly url: string
}

/** A server with a database of its own, which runs these processes until the test ends. */
export async function startCluster(
  t: Test,
  processes: readonly Process[],
  options: Partial<ClusterOptions> = {},
): Promise<TestCluster> {
  const { url } = await createDatabase(t)
  const cluster = new Cluster({
    connectionString: url,
    nodeId: 'a',
    // Asked for again, it would take the folder away from the server that has it.
    dataDir: options.dataDir ?? t.testdir(),
    retention: 'forever',
    processes,
    ...options,
  })
  await cluster.start()
  t.teardown(() => cluster.stop({ drain: 0 }))
  return { cluster, url }
}
