import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { Cluster } from '../../lib/index.ts'
import { installAudit } from './audit.ts'
import { checkAll, type Verdict } from './check/check-all.ts'
import { Canary } from './canary.ts'
import { Databases } from './databases.ts'
import { Dice } from './dice.ts'
import type { Evidence } from './evidence.ts'
import type { FaultKind } from './fault/fault.ts'
import { Fleet } from './fleet.ts'
import { History } from './history.ts'
import { injectSchedule } from './inject.ts'
import { Measurements } from './measurements.ts'
import { Observer } from './observer.ts'
import { countUnfinished, readDatabase, readSessions } from './read-database.ts'
import { planSchedule, type Planned } from './schedule.ts'
import { readLedgerFile } from './ledger-tail.ts'
import { Workload } from './workload.ts'

export interface ChaosOptions {
  readonly seed: number
  /** How long faults are done, in milliseconds. */
  readonly lastsMs: number
  readonly kinds: readonly FaultKind[]
  readonly faultsPerSecond: number
  readonly quickPerSecond: number
  readonly servers: number
  /** What must have happened; nothing for a short run. */
  readonly wantedProbes: readonly string[]
  /** An empty folder, best in memory. */
  readonly folder: string
  /** Whether file systems can be mounted. */
  readonly canMount: boolean
  /** Whether the servers know both hosts and find the primary; else their network leads them to it. */
  readonly namesBothHosts: boolean
  readonly onLine: (line: string) => void
  readonly signal: AbortSignal
}

export interface ChaosResult {
  readonly history: History
  readonly measurements: Measurements
  readonly evidence: Evidence
  readonly verdicts: readonly Verdict[]
  /** The longest time that the machine had no time for us, in milliseconds. */
  readonly longestHoldUpMs: number
}

/** How the servers are set, in milliseconds. The database is never away for as long as the grace. */
const lostAfterMs = 2500
const outageGraceMs = 14_000

/** How long a server that does not prove itself may keep running rows, in milliseconds. */
const overdueMs = lostAfterMs + 3000

/** How long everything may take to come to rest, in milliseconds. */
const longestRestMs = 60_000

/** The schedule of a run; the same for the same seed and options. */
export function planChaos(
  options: Pick<ChaosOptions, 'seed' | 'kinds' | 'servers' | 'lastsMs' | 'faultsPerSecond'>,
): Planned[] {
  const { seed, kinds, servers, lastsMs, faultsPerSecond } = options
  return planSchedule(new Dice(seed), {
    kinds,
    members: servers,
    lastsMs,
    perSecond: faultsPerSecond,
  })
}

/** Runs a cluster under faults and checks what must hold. Nothing of it is left afterwards. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { folder, seed, servers, canMount, signal } = options
  const ends: (() => Promise<void>)[] = []
  const probes = new Map<string, number>()
  const onProbe = (name: string): void => void probes.set(name, (probes.get(name) ?? 0) + 1)
  const history = new History()
  const measurements = new Measurements()
  const canary = new Canary()
  ends.unshift(async () => canary.stop())
  const ledgerFile = join(folder, 'ledger')
  try {
    await mkdir(folder, { recursive: true })
    const databases = await Databases.start()
    ends.unshift(() => databases.destroy())
    await prepare(databases.url)
    const fleet = await Fleet.start({
      databases,
      servers,
      folder,
      ledgerFile,
      lostAfterMs,
      outageGraceMs,
      canMount,
      namesBothHosts: options.namesBothHosts,
      dice: new Dice(seed + 1),
      onProbe,
      measurements,
    })
    ends.unshift(() => fleet.destroy())
    await fleet.untilReady(signal)
    const observer = new Observer({
      url: () => databases.url,
      ledgerFile,
      overdueMs,
      outageGraceMs,
      onLoss: incarnation => fleet.noteLoss(incarnation, history),
    })
    ends.unshift(() => observer.stop())
    const workload = new Workload({
      url: fleet.workloadUrl,
      dice: new Dice(seed + 2),
      quickPerSecond: options.quickPerSecond,
      longestSeconds: Math.min(10, options.lastsMs / 4000),
      onProbe,
    })
    ends.unshift(() => workload.stop())
    await injectSchedule(planChaos(options), fleet, history, options)
    fleet.heal()
    await fleet.untilReady(signal)
    await workload.stop()
    const client = await connect(databases.url)
    ends.unshift(() => client.end())
    const unfinished = await rest(client, signal)
    const atRest = await readSessions(client)
    await observer.stop()
    await fleet.stop()
    const left = await untilNoSessions(client)
    const rows = await readDatabase(client)
    const evidence: Evidence = {
      ...rows,
      ledger: readLedgerFile(ledgerFile),
      acknowledged: workload.acknowledged,
      firstSeen: observer.firstSeen,
      changedMeanwhile: [...observer.changed],
      losses: observer.losses,
      overdue: observer.overdue,
      falseDeaths: history.findFalseDeaths(rows.incarnations, fleet.lives, (from, to) =>
        canary.wasHeldUp(from, to),
      ),
      quiet: {
        ...atRest,
        unfinished,
        sessionsAfterLeaving: left.names,
        locksAfterLeaving: left.locks,
      },
      probes,
      wantedProbes: options.wantedProbes,
    }
    for (const { outcome, reason } of rows.finished) onProbe(`outcome: ${reason ?? outcome}`)
    for (const kind of history.countByKind().keys()) onProbe(`fault: ${kind}`)
    await history.write(join(folder, 'faults'))
    return {
      history,
      measurements,
      evidence,
      verdicts: checkAll(evidence),
      longestHoldUpMs: canary.longestMs,
    }
  } finally {
    for (const end of ends) await end().catch((error: unknown) => options.onLine(String(error)))
  }
}

async function prepare(url: string): Promise<void> {
  const cluster = new Cluster({ connectionString: url })
  await cluster.migrate()
  await cluster.stop()
  const client = await connect(url)
  await installAudit(client)
  await client.end()
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: 'chaos' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** @returns how much was not finished after a long time */
async function rest(client: Client, signal: AbortSignal): Promise<number> {
  const giveUpAt = performance.now() + longestRestMs
  for (;;) {
    signal.throwIfAborted()
    const unfinished = await countUnfinished(client)
    if (unfinished === 0 || performance.now() > giveUpAt) return unfinished
    await delay(100)
  }
}

/** A session ends a moment after its program has left. */
async function untilNoSessions(client: Client): ReturnType<typeof readSessions> {
  const giveUpAt = performance.now() + 2 * lostAfterMs
  for (;;) {
    const left = await readSessions(client)
    if ((left.names.length === 0 && left.locks === 0) || performance.now() > giveUpAt) return left
    await delay(100)
  }
}
