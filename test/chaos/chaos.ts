import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { checkAll, type Verdict } from './check/check-all.ts'
import { Dice } from './dice.ts'
import type { Evidence, QuietState } from './evidence.ts'
import type { FaultKind } from './fault/fault.ts'
import type { History } from './history.ts'
import { injectSchedule } from './inject.ts'
import { readLedgerFile } from './ledger-tail.ts'
import type { Measurements } from './measurements.ts'
import { countUnfinished, readDatabase, readSessions } from './read-database.ts'
import { connectTo, openScene, type Scene, type SceneOptions } from './scene.ts'
import { planSchedule, type Planned } from './schedule.ts'

export interface ChaosOptions extends Omit<SceneOptions, 'longestSeconds'> {
  /** How long faults are done, in milliseconds. */
  readonly lastsMs: number
  readonly kinds: readonly FaultKind[]
  readonly faultsPerSecond: number
  /** What must have happened; nothing for a short run. */
  readonly wantedProbes: readonly string[]
  readonly onLine: (line: string) => void
}

export interface ChaosResult {
  readonly history: History
  readonly measurements: Measurements
  /** What was seen to happen, and how often. */
  readonly probes: ReadonlyMap<string, number>
  readonly evidence: Evidence
  readonly verdicts: readonly Verdict[]
  /** The longest time that the machine had no time for us, in milliseconds. */
  readonly longestHoldUpMs: number
}

/** How long everything may take to come to rest, in milliseconds. */
const longestRestMs = 90_000

/** How long a session may be there after its program has left, in milliseconds. */
const longestFarewellMs = 5000

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
  const { lastsMs, folder, signal, onLine } = options
  const ends: (() => Promise<void>)[] = []
  try {
    const longestSeconds = Math.min(10, lastsMs / 4000)
    const scene = await openScene({ ...options, longestSeconds }, ends)
    const { fleet, history, measurements, probes, workload, databases, canary } = scene
    await injectSchedule(planChaos(options), fleet, history, options)
    await history.write(join(folder, 'faults'))
    fleet.heal()
    await fleet.untilReady(signal)
    await workload.stop()
    const client = await connectTo(databases.url)
    ends.unshift(() => client.end())
    const quiet = await comeToRest(scene, client, signal)
    const evidence = await collect(scene, client, quiet, options.wantedProbes)
    const { longestMs: longestHoldUpMs } = canary
    const verdicts = checkAll(evidence)
    return { history, measurements, probes, evidence, verdicts, longestHoldUpMs }
  } finally {
    for (const end of ends) await end().catch((error: unknown) => onLine(String(error)))
  }
}

/** Waits until all is done, looks what is left, lets the servers leave, and looks again. */
async function comeToRest(
  { observer, fleet }: Scene,
  client: Client,
  signal: AbortSignal,
): Promise<QuietState> {
  const unfinished = await untilFinished(client, signal)
  const { leakedLocks, idleInTransaction, preparedTransactions } = await readSessions(client)
  await observer.stop()
  const hanging = await fleet.stop()
  const { names, locks } = await untilNoSessions(client)
  return {
    unfinished,
    leakedLocks,
    idleInTransaction,
    preparedTransactions,
    hanging,
    sessionsAfterLeaving: names,
    locksAfterLeaving: locks,
  }
}

/** @returns how much was not finished after a long time */
async function untilFinished(client: Client, signal: AbortSignal): Promise<number> {
  const giveUpAt = performance.now() + longestRestMs
  for (;;) {
    signal.throwIfAborted()
    const unfinished = await countUnfinished(client)
    if (unfinished === 0 || performance.now() > giveUpAt) return unfinished
    await delay(100)
  }
}

async function untilNoSessions(client: Client): ReturnType<typeof readSessions> {
  const giveUpAt = performance.now() + longestFarewellMs
  for (;;) {
    const left = await readSessions(client)
    if ((left.names.length === 0 && left.locks === 0) || performance.now() > giveUpAt) return left
    await delay(100)
  }
}

async function collect(
  { ledgerFile, workload, observer, history, fleet, canary, probes }: Scene,
  client: Client,
  quiet: QuietState,
  wantedProbes: readonly string[],
): Promise<Evidence> {
  const rows = await readDatabase(client)
  const outcomes = new Set(rows.finished.map(({ outcome, reason }) => reason ?? outcome))
  const seen = [
    ...[...outcomes].map(name => `outcome: ${name}`),
    ...(rows.requests.some(({ compensates }) => compensates !== null) ? ['a compensation'] : []),
    ...[...history.countByKind().keys()].map(name => `fault: ${name}`),
  ]
  return {
    ...rows,
    ledger: readLedgerFile(ledgerFile),
    acknowledged: workload.acknowledged,
    firstSeen: observer.firstSeen,
    changedMeanwhile: [...observer.changed],
    losses: observer.losses,
    overdue: observer.overdue,
    falseDeaths: history.findFalseDeaths(rows.incarnations, fleet.lives, canary),
    suspensions: fleet.suspensions,
    quiet,
    happened: new Set([...probes.keys(), ...seen]),
    wantedProbes,
  }
}
