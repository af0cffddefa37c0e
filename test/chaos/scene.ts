import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { Cluster } from '../../lib/index.ts'
import { installAudit } from './audit.ts'
import { Canary } from './canary.ts'
import { Databases } from './databases.ts'
import { Dice } from './dice.ts'
import { Fleet } from './fleet.ts'
import { History } from './history.ts'
import { Measurements } from './measurements.ts'
import { Observer } from './observer.ts'
import { Workload } from './workload.ts'

export interface SceneOptions {
  readonly seed: number
  readonly servers: number
  /** After so many milliseconds of silence a server is declared lost. */
  readonly lostAfterMs: number
  /** An empty folder, best in memory. */
  readonly folder: string
  /** Whether file systems can be mounted. */
  readonly canMount: boolean
  /** Whether each server can have a network of its own. */
  readonly canWire: boolean
  /** Whether the servers know both hosts and find the primary; else their network leads them to it. */
  readonly namesBothHosts: boolean
  /** Cheap requests. */
  readonly quickPerSecond: number
  /** How long the longest steps take. */
  readonly longestSeconds: number
  readonly signal: AbortSignal
}

/** The database is never away for as long, in milliseconds. */
const outageGraceMs = 40_000

/** How much longer than `lostAfterMs` the others may take to declare a server lost that has running rows. */
const lateMs = 3000

/** All that a run needs: the cluster, the program that uses it, and who watches both. */
export interface Scene {
  readonly ledgerFile: string
  readonly databases: Databases
  readonly fleet: Fleet
  readonly observer: Observer
  readonly workload: Workload
  readonly canary: Canary
  readonly history: History
  readonly measurements: Measurements
  /** What was seen to happen, and how often. */
  readonly probes: Map<string, number>
}

/**
 * Starts everything; resolves when all servers claim.
 * @param ends gets what ends it, in the order in which it must be ended, also when this fails half-way
 */
export async function openScene(
  options: SceneOptions,
  ends: (() => Promise<void>)[],
): Promise<Scene> {
  const { folder, seed, lostAfterMs, quickPerSecond, longestSeconds, signal } = options
  const history = new History()
  const measurements = new Measurements()
  const probes = new Map<string, number>()
  const onProbe = (name: string): void => void probes.set(name, (probes.get(name) ?? 0) + 1)
  const ledgerFile = join(folder, 'ledger')
  const settings = { ledgerFile, outageGraceMs, overdueMs: lostAfterMs + lateMs }
  await mkdir(folder, { recursive: true })
  const canary = new Canary()
  ends.unshift(async () => canary.stop())
  const databases = await Databases.start()
  ends.unshift(() => databases.destroy())
  await prepare(databases.url)
  const dice = new Dice(seed + 1)
  const fleet = await Fleet.start({
    ...options,
    ...settings,
    databases,
    dice,
    onProbe,
    measurements,
  })
  ends.unshift(() => fleet.destroy())
  await fleet.untilReady(signal)
  const observer = new Observer({
    ...settings,
    url: () => databases.url,
    onLoss: incarnation => fleet.noteLoss(incarnation, history),
  })
  ends.unshift(() => observer.stop())
  const workload = new Workload({
    url: fleet.workloadUrl,
    dice: new Dice(seed + 2),
    quickPerSecond,
    longestSeconds,
    onProbe,
  })
  ends.unshift(() => workload.stop())
  return { ledgerFile, databases, fleet, observer, workload, canary, history, measurements, probes }
}

async function prepare(url: string): Promise<void> {
  const cluster = new Cluster({ connectionString: url })
  await cluster.migrate()
  await cluster.stop()
  const client = await connectTo(url)
  await installAudit(client)
  await client.end()
}

/** A session of the harness's own, past all proxies. */
export async function connectTo(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: 'chaos' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}
