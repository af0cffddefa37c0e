import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { Cluster } from '../../lib/index.ts'
import { runDeathCampaign, type Death } from './death-campaign.ts'
import { faults, type Fault } from './death-faults.ts'

// npm run campaign:death   Servers die, killed and frozen, alone and together with a guardian, each while it runs 40
// commands that hide as well as they can: 2,200 runs in all. SEED=n replays one, SERVERS=n makes it shorter.

/** What each fault may take, in milliseconds, for half of the servers and for nearly all. */
const bars: Record<Fault, { p50: number; p99: number }> = {
  'server killed': { p50: 150, p99: 500 },
  'server and a guardian killed': { p50: 3500, p99: 3500 },
  'server killed, a guardian frozen': { p50: 3500, p99: 3500 },
  'server frozen': { p50: 3000, p99: 3000 },
  'server and a guardian frozen': { p50: 3000, p99: 3000 },
}

const seed = Number(process.env['SEED'] ?? Math.floor(performance.timeOrigin) % 1_000_000)
const servers = Number(process.env['SERVERS'] ?? 55)
const kinds = Object.keys(faults) as Fault[]
const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-postgres-'))
const postgres = await startPostgres({ folder, durable: false })
try {
  const setUp = new Cluster({ connectionString: postgres.url })
  await setUp.migrate()
  await setUp.stop()
  const { url } = postgres
  const plan = { url, servers, commands: 40, faults: kinds, lostAfter: '3s', seed }
  const deaths = await runDeathCampaign(plan)
  console.log(`seed ${seed}`)
  const isRight = kinds.map(fault => report(fault, deaths)).every(Boolean)
  console.log(isRight ? 'no command was alive when its row said server_lost' : 'BROKEN')
  process.exitCode = isRight ? 0 : 1
} finally {
  await postgres.stop('immediate')
  await rm(folder, { recursive: true, force: true })
}

/** @returns whether it is within the bars */
function report(fault: Fault, all: readonly Death[]): boolean {
  const deaths = all.filter(death => death.fault === fault)
  if (deaths.length === 0) return true
  const sum = (what: 'runs' | 'processes' | 'aliveAtRow'): number =>
    deaths.reduce((total, death) => total + death[what], 0)
  const { p50, p99 } = bars[fault]
  const failed = percentiles(deaths.map(({ failedMs }) => failedMs))
  const gone = percentiles(deaths.map(({ goneMs }) => goneMs))
  const isRight = failed.p50 < p50 && failed.p99 < p99 && sum('aliveAtRow') === 0
  console.log(
    `${fault}: ${deaths.length} servers, ${sum('runs')} runs, ${sum('processes')} processes`,
    `| commands gone ${show(gone)} | row failed ${show(failed)}`,
    `| alive at the row ${sum('aliveAtRow')} | ${isRight ? 'ok' : 'NOT WITHIN THE BARS'}`,
  )
  return isRight
}

type Percentiles = Record<'p50' | 'p99' | 'max', number>

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] as number
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

function show(values: Percentiles): string {
  const shown = Object.entries(values).map(([name, value]) => `${name} ${value.toFixed(0)}`)
  return `${shown.join(', ')} ms`
}
