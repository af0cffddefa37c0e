import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Cluster, type RequestToEnqueue } from '../../lib/index.ts'
import { seeded } from '../support/seeded.ts'
import { readLedger } from './ledger.ts'

export interface CampaignOptions {
  url: string
  servers: number
  requests: readonly RequestToEnqueue[]
  /** How often a random server is killed, in milliseconds; never unless given. */
  killEveryMs?: number
  /** The same seed kills the same servers in the same order. */
  seed: number
  concurrency: number
}

export interface CampaignResult {
  requests: number
  kills: number
  seconds: number
  succeeded: number
  failed: Record<string, number>
  /** All of these must be 0. */
  startedTwice: number
  succeededWithoutStart: number
  neverFinished: number
  lost: number
}

/**
 * Runs requests through server processes, kills servers if asked to, and compares what the database says with
 * the ledger that the steps wrote.
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-campaign-'))
  const ledger = join(folder, 'ledger')
  const cluster = new Cluster({ connectionString: options.url, nodeId: 'campaign' })
  const fleet = await Promise.all(
    Array.from({ length: options.servers }, (_, n) =>
      startServer(`s${n + 1}`, options, ledger, folder),
    ),
  )
  const startedAt = performance.now()
  try {
    const ids = (await cluster.enqueueMany(options.requests)).map(({ id }) => id)
    const kills = await killUntilDone(
      cluster,
      ids.length,
      fleet,
      name => startServer(name, options, ledger, folder),
      options,
    )
    const seconds = (performance.now() - startedAt) / 1000
    return {
      ...(await compare(cluster, ids, ledger)),
      kills,
      seconds: Math.round(seconds * 10) / 10,
    }
  } finally {
    await Promise.all(fleet.map(stopServer))
    await cluster.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

interface ServerProcess {
  name: string
  child: ChildProcess
}

async function startServer(
  name: string,
  options: CampaignOptions,
  ledger: string,
  folder: string,
): Promise<ServerProcess> {
  const program = fileURLToPath(new URL('server.ts', import.meta.url))
  for (;;) {
    const child = spawn(
      process.execPath,
      [program, options.url, name, ledger, join(folder, name)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, CAMPAIGN_CONCURRENCY: String(options.concurrency) },
      },
    )
    const isReady = await Promise.race([
      once(child.stdout, 'data').then(() => true),
      once(child, 'exit').then(() => false),
    ])
    if (isReady) return { name, child }
  }
}

async function stopServer({ child }: ServerProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}

/** Kills and restarts servers until every request has finished. The pace is the campaign's own, not a wait for anything. */
async function killUntilDone(
  cluster: Cluster,
  total: number,
  fleet: ServerProcess[],
  restart: (name: string) => Promise<ServerProcess>,
  { killEveryMs, seed }: CampaignOptions,
): Promise<number> {
  const random = seeded(seed)
  let kills = 0
  for (;;) {
    const nodes = await cluster.nodes()
    const finished = nodes.reduce(
      (sum, node) => sum + node.succeeded + node.failed + node.cancelled,
      0,
    )
    if (finished >= total) return kills
    await delay(killEveryMs ?? 100)
    if (killEveryMs === undefined) continue
    const victim = Math.floor(random() * fleet.length)
    const { name, child } = fleet[victim] as ServerProcess
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    kills++
    fleet[victim] = await restart(name)
  }
}

async function compare(cluster: Cluster, ids: string[], ledgerFile: string) {
  const starts = readLedger(ledgerFile)
  const known = new Set(ids)
  const failed: Record<string, number> = {}
  let succeeded = 0
  let succeededWithoutStart = 0
  let neverFinished = 0
  let seen = 0
  for (let before: string | undefined; ;) {
    const page = await cluster.list({ limit: 1000, ...(before !== undefined && { before }) })
    for (const request of page) {
      if (!known.has(request.id)) continue
      seen++
      if (request.state !== 'finished') neverFinished++
      else if (request.outcome === 'succeeded') {
        succeeded++
        if (starts.get(request.id) !== 1) succeededWithoutStart++
      } else failed[request.reason ?? 'none'] = (failed[request.reason ?? 'none'] ?? 0) + 1
    }
    before = page.at(-1)?.id
    if (page.length < 1000) break
  }
  const startedTwice = [...starts.values()].filter(count => count > 1).length
  return {
    requests: ids.length,
    succeeded,
    failed,
    startedTwice,
    succeededWithoutStart,
    neverFinished,
    lost: ids.length - seen,
  }
}
