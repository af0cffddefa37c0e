import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster } from '../cluster.ts'
import type { ClusterOptions } from '../cluster-options.ts'
import { startPostgres } from '../dev/embedded-postgres.ts'
import type { RequestRecord } from '../db/status.ts'
import type { RequestId } from '../query.ts'
import { startTestProxy, type TestProxy } from './test-proxy.ts'
import {
  endTestServer,
  startTestServer,
  type TestServer,
  type TestServerOptions,
} from './test-server.ts'
import { waitForRequest, type RequestWait } from './wait-for-request.ts'

export interface TestbedOptions extends Omit<ClusterOptions, 'connectionString' | 'pool'> {
  /** A database of yours, empty or used before, which stays. Defaults, also when it is empty text, to a PostgreSQL that is made for the testbed, which needs the package `@embedded-postgres/<os>-<arch>`. */
  databaseUrl?: string | undefined
}

/** A database, and all that a test starts on it. */
export interface Testbed {
  /** The database, with all tables. */
  readonly url: string
  /** For enqueueing and looking, and after its `start` a server in this process. */
  readonly cluster: Cluster
  /** Starts a server in a process of its own and waits until it has joined. */
  readonly startServer: (options: TestServerOptions) => Promise<TestServer>
  /** Starts a proxy in front of the database. */
  readonly startProxy: () => Promise<TestProxy>
  /** Waits for a request; says all that is known of it when it does not come. */
  readonly waitForRequest: (
    which: RequestId | { process: string },
    wait?: RequestWait,
  ) => Promise<RequestRecord>
  /** Ends everything, the last first, and leaves nothing behind. */
  readonly end: () => Promise<void>
}

/**
 * Opens a testbed. End it in the clean-up of your test runner.
 * @param options those of a Cluster; the defaults differ in this: `nodeId: 'test'`, a data folder of its own,
 *   `retention: 'forever'`, no guardian
 * @throws {ClusterError} CW_CONFIG when there is no PostgreSQL for this system, and what `migrate` throws
 */
export async function openTestbed(options: TestbedOptions = {}): Promise<Testbed> {
  const { databaseUrl, ...about } = options
  const ends: (() => Promise<unknown>)[] = []
  const end = async (): Promise<void> => {
    for (const next of ends.splice(0).toReversed()) await next()
  }
  try {
    const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-test-'))
    ends.push(() => rm(folder, { recursive: true, force: true }))
    const url = databaseUrl || (await startTemporaryPostgres(join(folder, 'postgres'), ends))
    const cluster = new Cluster({
      nodeId: 'test',
      dataDir: join(folder, 'test'),
      retention: 'forever',
      guardian: false,
      ...about,
      connectionString: url,
    })
    ends.push(() => cluster.stop({ drain: 0 }))
    await cluster.migrate()
    const startServer = prepareServers({ cluster, url, folder, ends })
    return {
      url,
      cluster,
      startServer,
      async startProxy() {
        const proxy = await startTestProxy(url)
        ends.push(() => proxy.close())
        return proxy
      },
      waitForRequest: (which, wait) => waitForRequest(cluster, which, wait),
      end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

/** Loses its data when it crashes, and is fast. */
async function startTemporaryPostgres(
  folder: string,
  ends: (() => Promise<unknown>)[],
): Promise<string> {
  const postgres = await startPostgres({ folder, durable: false })
  ends.push(async () => {
    await postgres.stop('immediate')
    await rm(postgres.folder, { recursive: true, force: true })
  })
  return postgres.url
}

function prepareServers(bed: {
  cluster: Cluster
  url: string
  folder: string
  ends: (() => Promise<unknown>)[]
}): Testbed['startServer'] {
  const { cluster, url, folder, ends } = bed
  let count = 0
  return async options => {
    const nodeId = options.nodeId ?? nameServer(count++)
    const dataDir = join(folder, 'servers', nodeId)
    const server = await startTestServer(options, { cluster, databaseUrl: url, nodeId, dataDir })
    ends.push(() => endTestServer(server, cluster))
    return server
  }
}

/** a, b, … z, then node-27 and so on. */
function nameServer(index: number): string {
  return index < 26 ? String.fromCharCode(97 + index) : `node-${index + 1}`
}
