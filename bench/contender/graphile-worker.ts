import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker'
import type { BenchClient, Contender } from '../contender.ts'
import { installedVersion } from '../contenders.ts'
import { openPool } from '../pool.ts'

const silent = new Logger(() => () => undefined)

const worker = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
}

/** With the settings of its own figures: a local queue, and jobs completed in batches. */
export const contender: Contender = {
  version: installedVersion('graphile-worker'),
  settings:
    '24 jobs at a time, local queue of 500, completion in batches without delay; jobs are deleted',
  documentation: 'https://worker.graphile.org/docs/performance',

  async prepare(url) {
    await runMigrations({ connectionString: url, logger: silent })
  },

  openClient,

  async startWorker({ url, kinds }, ledger) {
    const task = (payload: unknown): void => ledger.note((payload as { n: number }).n)
    const runner = await run({
      preset: { worker: { ...worker, connectionString: url } },
      taskList: Object.fromEntries(kinds.map(kind => [kind, task])),
      logger: silent,
      noHandleSignals: true,
    })
    return () => runner.stop()
  },
}

async function openClient(url: string): Promise<BenchClient> {
  const utils = await makeWorkerUtils({ connectionString: url, logger: silent, maxPoolSize: 10 })
  const pool = openPool(url)
  return {
    // Its smaller numbers run first.
    enqueue: ({ kind, n, priority }) => utils.addJob(kind, { n }, { priority: -priority }),
    enqueueMany: jobs =>
      utils.addJobs(
        jobs.map(({ kind, n, priority }) => ({
          identifier: kind,
          payload: { n },
          priority: -priority,
        })),
      ),
    async countLeft() {
      const { rows } = await pool.query<{ count: number }>(
        'select count(*)::integer as count from graphile_worker._private_jobs',
      )
      return rows[0]?.count ?? 0
    },
    countDone: async () => undefined,
    async close() {
      await utils.release()
      await pool.end()
    },
  }
}
