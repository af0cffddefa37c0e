import type { Contender } from '../contender.ts'
import { installedVersion } from '../contenders.ts'
import { openPgBossClient, preparePgBoss, startPgBoss } from './pg-boss.ts'

const batchSize = 500
const localConcurrency = 4

/** Without the burst, a worker that is woken by notifications looks for what was there before twice a minute. */
const settings = {
  pollingIntervalSeconds: 0.5,
  notifyPollingIntervalSeconds: 0.5,
  burstWhenBatchFull: true,
}

/** Its workers, woken by notifications. */
export const contender: Contender = {
  version: installedVersion('pg-boss'),
  settings: `work() with ${localConcurrency} workers a queue, batches of up to ${batchSize}, polling every 0.5 s, burst while batches are full, notify`,
  documentation: 'https://timgit.github.io/pg-boss/api/workers',
  prepare: preparePgBoss,
  openClient: url => openPgBossClient(url, true),

  async startWorker({ url, kinds }, ledger) {
    const boss = await startPgBoss(url, true)
    for (const kind of kinds) {
      await boss.createQueue(kind, { notify: true })
      const options = { ...settings, batchSize, localConcurrency }
      await boss.work<{ n: number }>(kind, options, async jobs => {
        for (const { data } of jobs) ledger.note(data.n)
      })
    }
    return () => boss.stop({ graceful: false })
  },
}
