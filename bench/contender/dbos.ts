import { DBOS, DBOSClient } from '@dbos-inc/dbos-sdk'
import type { BenchClient, Contender } from '../contender.ts'
import { installedVersion } from '../contenders.ts'
import { openPool } from '../pool.ts'

const queueName = 'bench'
const pollMs = 10
const poolSize = 20
const silent = { info: ignore, debug: ignore, warn: ignore, error: console.error }

/** Workflows from a queue that is polled as often as it may be. */
export const contender: Contender = {
  version: installedVersion('@dbos-inc/dbos-sdk'),
  settings: `a queue polled every ${pollMs} ms, ${poolSize} connections, no limits; one row a step, kept`,
  documentation: 'https://docs.dbos.dev/typescript/reference/queues',

  async prepare(url) {
    await DBOS.migrate(url)
  },

  openClient,

  async startWorker({ url, kinds, worker }, ledger) {
    DBOS.setConfig({
      name: 'bench',
      systemDatabaseUrl: url,
      systemDatabasePoolSize: poolSize,
      executorID: `bench-${worker}`,
      applicationVersion: '1',
      logger: silent,
    })
    for (const kind of kinds)
      DBOS.registerWorkflow(
        workflowOf(kind, n => ledger.note(n)),
        { name: kind },
      )
    await DBOS.launch()
    await DBOS.registerQueue(queueName, { minPollingIntervalMs: pollMs })
    return () => DBOS.shutdown()
  },
}

function workflowOf(kind: string, note: (n: number) => void): (n: number) => Promise<void> {
  const steps = kind === 'five' ? ['two', 'three', 'four', 'five'] : []
  return async n => {
    if (steps.length === 0) note(n)
    else await DBOS.runStep(async () => note(n), { name: 'note' })
    for (const name of steps) await DBOS.runStep(async () => name, { name })
  }
}

async function openClient(url: string): Promise<BenchClient> {
  const client = await DBOSClient.create({
    systemDatabaseUrl: url,
    systemDatabasePoolSize: poolSize,
    logger: silent,
    applicationName: 'bench',
  })
  const pool = openPool(url)
  const count = async (states: string): Promise<number> => {
    const { rows } = await pool.query<{ count: number }>(
      `select count(*)::integer as count from dbos.workflow_status where status in (${states})`,
    )
    return rows[0]?.count ?? 0
  }
  const enqueue = (kind: string, n: number): Promise<unknown> =>
    client.enqueue({ queueName, workflowName: kind, appVersion: '1' }, n)
  return {
    enqueue: ({ kind, n }) => enqueue(kind, n),
    // It has no call for many; as many as it has connections are under way at a time.
    enqueueMany: jobs => Promise.all(jobs.map(({ kind, n }) => enqueue(kind, n))),
    countLeft: () => count(`'ENQUEUED', 'PENDING', 'DELAYED'`),
    countDone: () => count(`'SUCCESS'`),
    async close() {
      await client.destroy()
      await pool.end()
    },
  }
}

function ignore(): void {
  // The report has the figures.
}
