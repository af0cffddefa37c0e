import type { Contender } from '../contender.ts'
import { installedVersion } from '../contenders.ts'
import { openPgBossClient, preparePgBoss, startPgBoss } from './pg-boss.ts'

const batchSize = 500
const localConcurrency = 4

/** Its workers, woken by notifications. */
export const contender: Contender = {
  version: installedVersion('pg-boss'),
  settings: `work() with ${localConcurrency} workers a queue, batches of up to ${batchSize}, polling every 0.5 s, notify`,
  documentation: 'https://timgit.github.io/pg-boss/api/workers',
  prepare: preparePgBoss,
  openClient: url => openPgBossClient(url, true),

  async startWorker({ url, kinds }, ledger) {
    const boss = await startPgBoss(url, true)
    for (const kind of kinds) {
      await boss.createQueue(kind, { notify: true })
      const options = { batchSize, localConcurrency, pollingIntervalSeconds: 0.5 }
      await boss.work<{ n: number }>(kind, options, async jobs => {
        for (const { data } of jobs) ledger.note(data.n)
      })
    }
    return () => boss.stop({ graceful: false })
  },
}
