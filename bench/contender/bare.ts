import { randomUUID } from 'node:crypto'
import { claim } from '../../lib/db/claim.ts'
import { Database } from '../../lib/db/database.ts'
import { publishProcesses } from '../../lib/db/definitions.ts'
import { finish } from '../../lib/db/finish.ts'
import { beginIncarnation, registerNode } from '../../lib/db/incarnations.ts'
import { packageVersion } from '../../lib/version.ts'
import type { BenchClient, Contender } from '../contender.ts'
import { contender as ours } from './cluster-worker.ts'
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
    const db = openDatabase(url, loops)
    const node = `bare-${worker}`
    await registerNode(db, node)
    const lanes = await publishProcesses(db, node, kinds.map(describe))
    const incarnation = await beginIncarnation(db, db.t, {
      node,
      version: '0',
      host: 'bench',
      pid: process.pid,
      concurrency: batch,
      lostAfterMs: 3_600_000,
      outageGraceMs: 3_600_000,
    })
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

function describe(name: string) {
  return { name, version: '1', description: null, inputSchema: null, steps: [] }
}

function openDatabase(url: string, maxConnections: number): Database {
  return new Database({
    connectionString: url,
    schema: 'cluster_worker',
    applicationName: 'bare',
    maxConnections,
  })
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
