import { Queue, Worker } from 'bullmq'
import type { BenchClient, Contender, Job } from '../contender.ts'
import { installedVersion } from '../contenders.ts'
import { connectionOf, startRedis } from '../redis.ts'

const concurrency = 500

/** On a Redis of its own that is as durable as PostgreSQL comes. */
export const contender: Contender = {
  version: installedVersion('bullmq'),
  settings: `a worker with concurrency ${concurrency} a queue, addBulk; Redis with appendonly yes, appendfsync always, as durable as the others; completed jobs are kept`,
  documentation: 'https://docs.bullmq.io/guide/workers/concurrency',
  // Its Redis begins, empty, with the client.
  prepare: async () => undefined,
  openClient: openBullmqClient,

  async startWorker({ url, kinds }, ledger) {
    const workers = kinds.map(
      kind =>
        new Worker<{ n: number }>(kind, async ({ data }) => ledger.note(data.n), {
          connection: connectionOf(url),
          concurrency,
        }),
    )
    await Promise.all(workers.map(worker => worker.waitUntilReady()))
    return async () => {
      await Promise.all(workers.map(worker => worker.close(true)))
    }
  },
}

/** The kind is the queue; all that were used are counted. */
async function openBullmqClient(url: string): Promise<BenchClient> {
  const stopRedis = await startRedis(url)
  const queues = new Map<string, Queue>()
  const queueOf = (kind: string): Queue => {
    const queue = queues.get(kind) ?? new Queue(kind, { connection: connectionOf(url) })
    queues.set(kind, queue)
    return queue
  }
  const sum = async (count: (queue: Queue) => Promise<number>): Promise<number> => {
    const counts = await Promise.all([...queues.values()].map(count))
    return counts.reduce((total, one) => total + one, 0)
  }
  return {
    enqueue: ({ kind, n }) => queueOf(kind).add(kind, { n }),
    async enqueueMany(jobs) {
      for (const [kind, those] of Map.groupBy(jobs, job => job.kind))
        await queueOf(kind).addBulk(those.map(({ n }: Job) => ({ name: kind, data: { n } })))
    },
    countLeft: () => sum(queue => queue.getJobCountByTypes('waiting', 'prioritized', 'active')),
    countDone: () => sum(queue => queue.getCompletedCount()),
    async close() {
      await Promise.all([...queues.values()].map(queue => queue.close()))
      await stopRedis()
    },
  }
}
