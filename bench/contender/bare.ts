import { randomUUID } from 'node:crypto'
import { claim } from '../../lib/db/claim.ts'
import { finish } from '../../lib/db/finish.ts'
import { packageVersion } from '../../lib/version.ts'
import type { BenchClient, Contender } from '../contender.ts'
import { contender as ours } from './cluster-worker.ts'
import { joinAs, openBareDatabase } from '../member.ts'
import { openPool } from '../pool.ts'

const loops = 2
const batch = 500

/**
 * The raw limit: the claim and finish statements of lib/db, one after the other, in loops, with nothing between them.
 */
export const contender: Contender = {
  version: packageVersion(),
  settings: `${loops} loops of claim and finish, ${batch} requests a time, on connections of their own`,
  documentation: 'lib/db/claim.ts, lib/db/finish.ts',
  prepare: url => ours.prepare(url),
  openClient: openBareClient,

  async startWorker({ url, worker, kinds }, ledger) {
    const db = openBareDatabase(url, loops)
    const { incarnation, lanes } = await joinAs(db, `bare-${worker}`, kinds)
    const stopping = new AbortController()
    const loop = async (): Promise<void> => {
      while (!stopping.signal.aborted) {
        const token = randomUUID()
        const claimed = await claim(db, { incarnation, lanes, limit: batch, token })
        if (claimed.length === 0) return
        for (const { input } of claimed) ledger.note((input as { n: number }).n)
        const ended = { token, reason: null, error: null, result: '{}' }
        await finish(
          db,
          incarnation,
          claimed.map(({ id }) => ({ id, ...ended, outcome: 'succeeded' as const })),
        )
      }
    }
    const running = Promise.all(Array.from({ length: loops }, loop))
    return async () => {
      stopping.abort()
      await running
      await db.close()
    }
  },
}

/** Enqueues by the statement that the library sends, without its checks and its hint. */
async function openBareClient(url: string): Promise<BenchClient> {
  const client = await ours.openClient(url)
  const pool = openPool(url, 10)
  const insert = (jobs: readonly { kind: string; n: number; priority: number }[]) =>
    pool.query({
      name: 'enqueue',
      text: `select request_id from cluster_worker.enqueue_batch(
        $1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::text[], true)`,
      values: [
        jobs.map(({ kind }) => kind),
        jobs.map(({ n }) => JSON.stringify({ n })),
        jobs.map(({ priority }) => priority),
        jobs.map(() => null),
        jobs.map(() => null),
      ],
    })
  return {
    enqueue: job => insert([job]),
    enqueueMany: insert,
    countLeft: () => client.countLeft(),
    countDone: () => client.countDone(),
    async close() {
      await client.close()
      await pool.end()
    },
  }
}
