import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Process } from '../../lib/index.ts'
import { packageVersion } from '../../lib/version.ts'
import type { BenchClient, Contender, Job } from '../contender.ts'
import { loadLibrary } from '../library.ts'
import type { Ledger } from '../ledger.ts'
import { openPool } from '../pool.ts'

const { call, Cluster, command, defineProcess } = await loadLibrary()

/** The slots of one server: as many as the claims and finishes under way can carry. */
const concurrency = 2000

/** Ours, through the public library, built, as a user would. The history is kept; nothing is less durable than by default. */
export const contender: Contender = {
  version: packageVersion(),
  settings: `concurrency ${concurrency}, all else as by default (history kept, no housekeeping while it is measured)`,
  documentation: 'docs/options.md',

  async prepare(url) {
    const cluster = new Cluster({ connectionString: url })
    await cluster.migrate()
    await cluster.stop()
  },

  openClient: openClusterClient,

  async startWorker({ url, worker, kinds, settings }, ledger) {
    const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-bench-'))
    const { servers = 1, ...rest } = settings
    const clusters = Array.from({ length: Number(servers) }, (_, index) => {
      const nodeId = `bench-${worker}-${index}`
      return new Cluster({
        connectionString: url,
        nodeId,
        dataDir: join(folder, nodeId),
        retention: 'forever',
        concurrency,
        processes: kinds.map(kind => define(kind, ledger)),
        ...rest,
      })
    })
    for (const cluster of clusters) await cluster.start()
    return async () => {
      await Promise.all(clusters.map(cluster => cluster.stop({ drain: 0 })))
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function openClusterClient(url: string): Promise<BenchClient> {
  const cluster = new Cluster({ connectionString: url })
  const pool = openPool(url)
  const known = new Map<string, Process>()
  // As an application that shares its definitions with the servers.
  const processOf = (kind: string): Process => {
    const process = known.get(kind) ?? define(kind)
    known.set(kind, process)
    return process
  }
  const allowUnknown = true
  const count = async (text: string): Promise<number> =>
    (await pool.query<{ count: number }>(text)).rows[0]?.count ?? 0
  return {
    enqueue: ({ kind, n, priority }) =>
      cluster.enqueue(processOf(kind), { n }, { priority, allowUnknown }),
    enqueueMany: jobs =>
      cluster.enqueueMany(
        jobs.map(({ kind, n, priority }: Job) => ({
          process: processOf(kind),
          input: { n },
          priority,
        })),
        { allowUnknown },
      ),
    countLeft: () =>
      count(`
        select (select count(*) from cluster_worker.queue)::integer
          + (select count(*) from cluster_worker.running)::integer as count`),
    countDone: () =>
      count(`
        select count(*)::integer as count from cluster_worker.finished
        where outcome = 'succeeded' and incarnation is not null`),
    async close() {
      await cluster.stop()
      await pool.end()
    },
  }
}

/** The process of a kind; a client needs the name only, and has no ledger. */
function define(kind: string, ledger?: Ledger): Process {
  const note = (input: unknown): void => ledger?.note((input as { n: number }).n)
  const noteStep = call('note', ({ input }) => note(input))
  switch (kind) {
    case 'five':
      return defineProcess({
        name: kind,
        steps: [noteStep, ...['two', 'three', 'four', 'five'].map(name => call(name, () => name))],
      })
    case 'true':
      return defineProcess({ name: kind, steps: [command('true', { run: ['true'] })] })
    case 'output':
      return defineProcess({
        name: kind,
        steps: [
          command('write', { shell: 'yes "$CLUSTER_INPUT_LINE" | head -c "$CLUSTER_INPUT_BYTES"' }),
        ],
      })
    default:
      return defineProcess({ name: kind, steps: [noteStep] })
  }
}
