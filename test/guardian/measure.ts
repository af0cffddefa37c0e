import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { Cluster } from '../../lib/index.ts'
import { findMarked, isAlive } from './marked.ts'
import { launchServer, readLog } from './launch-server.ts'

// npm run measure:death   kills a server that runs three commands, 40 times, and prints how long it takes until
// the last of its commands is gone, and until the database says that its requests have failed.

const kills = 40
const commands = 3
const shell = 'trap "" TERM; sleep 1000 & setsid sleep 1000 & wait; sleep 1000'

interface Times {
  readonly gone: number
  readonly failed: number
}

const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-measure-'))
const postgres = await startPostgres({ folder, durable: false })
const client = new Client({ connectionString: postgres.url })
const cluster = new Cluster({ connectionString: postgres.url })
try {
  await cluster.migrate()
  await client.connect()
  const times: Times[] = []
  for (let round = 0; round < kills; round++) times.push(await measureDeath(`n${round}`))
  for (const what of ['gone', 'failed'] as const) {
    const sorted = times.map(time => time[what]).toSorted((a, b) => a - b)
    const at = (part: number): string =>
      `${sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]?.toFixed(0)} ms`
    const title = { gone: 'last command gone', failed: 'row failed' }[what]
    console.log(`${title}: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} (of ${kills})`)
  }
} finally {
  await client.end()
  await cluster.stop()
  await postgres.stop('immediate')
  await rm(folder, { recursive: true, force: true })
}

async function measureDeath(nodeId: string): Promise<Times> {
  const mark = randomUUID()
  const connection = { connectionString: postgres.url, retention: 'forever' as const }
  const dataDir = join(folder, 'servers', nodeId)
  const options = { nodeId, dataDir, lostAfter: '30s', passEnv: ['MARK'], ...connection }
  const child = launchServer({ ...options, shells: { long: [shell] } }, mark)
  await readLog(child)('ready')
  const requests = Array.from({ length: commands }, () => ({ process: 'long' }))
  const ids = (await cluster.enqueueMany(requests)).map(({ id }) => id)
  let pids: number[] = []
  // The shell and its two children, of each command.
  while (pids.length < commands * 3) {
    await delay(20)
    pids = findMarked(mark).filter(pid => pid !== child.pid)
  }
  // What starting it has left to do shall not count.
  await delay(200)

  const killedAt = performance.now()
  child.kill('SIGKILL')
  const [gone, failed] = await Promise.all([
    elapsed(killedAt, async () => !pids.some(isAlive)),
    elapsed(killedAt, () => haveFailed(ids)),
  ])
  const left = findMarked(mark)
  if (left.length > 0) throw new Error(`the processes ${left.join(', ')} are left`)
  return { gone, failed }
}

async function haveFailed(ids: readonly string[]): Promise<boolean> {
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::integer as count from cluster_worker.finished
     where id = any ($1::bigint[]) and reason = 'server_lost'`,
    [ids],
  )
  return rows[0]?.count === ids.length
}

/** How long after that moment it holds, in milliseconds; it is looked at every two. */
async function elapsed(since: number, holds: () => Promise<boolean>): Promise<number> {
  while (!(await holds())) await delay(2)
  return performance.now() - since
}
