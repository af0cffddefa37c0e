import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { Cluster } from '../../lib/index.ts'
import { runCampaign, type CampaignOptions } from './campaign.ts'
import { runSuspendCampaign } from './suspend.ts'

// npm run campaign:once   100,000 requests through three servers
// npm run campaign:kill   1,000 requests while a random server is killed every second (SEED=n replays one)
// npm run campaign:suspend 10,000 times a busy server is suspended or drained, and must start nothing then

const seed = Number(process.env['SEED'] ?? Math.floor(performance.timeOrigin) % 1_000_000)
const plans: Record<string, Omit<CampaignOptions, 'url'>> = {
  once: {
    servers: 3,
    seed,
    // So many that two claims may be under way at once.
    concurrency: 2500,
    requests: Array.from({ length: 100_000 }, () => ({ process: 'quick' })),
  },
  kill: {
    servers: 3,
    seed,
    concurrency: 10,
    killEveryMs: 1000,
    requests: Array.from({ length: 1000 }, (_, n) => ({
      process: 'slow',
      input: { seconds: (n % 10) / 10 },
    })),
  },
}

const name = process.argv[2] ?? ''
const plan = plans[name]
if (!plan && name !== 'suspend')
  throw new Error(`expected one of ${Object.keys(plans).join(', ')}, suspend`)
const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-postgres-'))
const postgres = await startPostgres({ folder })
try {
  const setUp = new Cluster({ connectionString: postgres.url })
  await setUp.migrate()
  await setUp.stop()
  const wrong = plan ? await runRequests(plan) : await runOrders()
  process.exitCode = wrong === 0 ? 0 : 1
} finally {
  await postgres.stop('immediate')
  await rm(folder, { recursive: true, force: true })
  await rm(postgres.folder, { recursive: true, force: true })
}

async function runRequests(chosen: Omit<CampaignOptions, 'url'>): Promise<number> {
  const result = await runCampaign({ url: postgres.url, ...chosen })
  console.log({ seed, ...result })
  const { startedTwice, succeededWithoutStart, neverFinished, lost } = result
  const wrong = startedTwice + succeededWithoutStart + neverFinished + lost
  console.log(wrong === 0 ? 'each request started at most once, and all have finished' : 'BROKEN')
  return wrong
}

async function runOrders(): Promise<number> {
  const orders = Number(process.env['ORDERS'] ?? 10_000)
  const result = await runSuspendCampaign({ url: postgres.url, orders, servers: 4, seed })
  console.log({ seed, ...result })
  const wrong = result.startedAfterAcknowledgement + result.unanswered
  console.log(wrong === 0 ? 'nothing started after an acknowledgement' : 'BROKEN')
  return wrong
}
