import { setTimeout as delay } from 'node:timers/promises'
import { PgBoss } from 'pg-boss'
import type { BenchClient, Contender, Job } from '../contender.ts'
import { installedVersion } from '../contenders.ts'
import { openPool } from '../pool.ts'

const loops = 4
const batchSize = 500
const idleMs = 5

/** Its fastest documented way: `fetch` and `complete` for many jobs at a time, in loops. */
export const contender: Contender = {
  version: installedVersion('pg-boss'),
  settings: `${loops} loops of fetch and complete, ${batchSize} jobs a time; completed jobs are kept`,
  documentation: 'https://timgit.github.io/pg-boss/api/jobs',
  prepare: preparePgBoss,
  openClient: url => openPgBossClient(url),

  async startWorker({ url, kinds }, ledger) {
    const boss = await startPgBoss(url)
    const stopping = new AbortController()
    const loop = async (first: number): Promise<void> => {
      for (let turn = first, empty = 0; !stopping.signal.aborted; turn++) {
        const kind = kinds[turn % kinds.length] ?? ''
        const jobs = await boss.fetch<{ n: number }>(kind, { batchSize })
        empty = jobs.length === 0 ? empty + 1 : 0
        if (empty >= kinds.length) await delay(idleMs)
        if (jobs.length === 0) continue
        for (const { data } of jobs) ledger.note(data.n)
        await boss.complete(
          kind,
          jobs.map(({ id }) => id),
        )
      }
    }
    const running = Promise.all(Array.from({ length: loops }, (_, index) => loop(index)))
    return async () => {
      stopping.abort()
      await running
      await boss.stop({ graceful: false })
    }
  },
}

export async function preparePgBoss(url: string): Promise<void> {
  const boss = await startPgBoss(url)
  await boss.stop({ graceful: false })
}

/** Without its own housekeeping, which has nothing to do in a run this short. */
export async function startPgBoss(url: string, useListenNotify = false): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString: url,
    supervise: false,
    schedule: false,
    useListenNotify,
  })
  boss.on('error', error => console.error(error))
  return boss.start()
}

/** @param notify whether an enqueue wakes the workers */
export async function openPgBossClient(url: string, notify = false): Promise<BenchClient> {
  const boss = await startPgBoss(url, notify)
  const pool = openPool(url)
  const queues = new Map<string, Promise<void>>()
  const ensureQueue = (kind: string): Promise<void> => {
    const made = queues.get(kind) ?? boss.createQueue(kind, { notify })
    queues.set(kind, made)
    return made
  }
  const insert = async (kind: string, jobs: readonly Job[]): Promise<void> => {
    await ensureQueue(kind)
    await boss.insert(
      kind,
      jobs.map(({ n, priority }) => ({ data: { n }, priority })),
    )
  }
  const count = async (states: string): Promise<number> => {
    const { rows } = await pool.query<{ count: number }>(
      `select count(*)::integer as count from pgboss.job where state in (${states})`,
    )
    return rows[0]?.count ?? 0
  }
  return {
    async enqueue({ kind, n, priority }) {
      await ensureQueue(kind)
      return boss.send(kind, { n }, { priority })
    },
    enqueueMany: jobs =>
      Promise.all(
        [...Map.groupBy(jobs, job => job.kind)].map(([kind, some]) => insert(kind, some)),
      ),
    countLeft: () => count(`'created', 'retry', 'active'`),
    countDone: () => count(`'completed'`),
    async close() {
      await boss.stop({ graceful: false })
      await pool.end()
    },
  }
}
