import { setTimeout as delay } from 'node:timers/promises'
import { readStartTicks, type ListedProcess } from './process-list.ts'

/** What a signal can be sent to. */
export type Target = Pick<ListedProcess, 'pid' | 'group' | 'startTicks'>

/** Such a group is not signalled, only the process itself. */
export const noGroup = 0

/**
 * How long those that were killed are waited for before the next pass; it grows, because what hangs in the kernel (on
 * a disk that is gone) may never end. A pause is never shorter than a glance, the time between two looks at them.
 */
const pause = { firstMs: 20, factor: 1.2, longestMs: 500, glanceMs: 2 }

/** What starts processes faster than they can be stopped is killed all the same, after so many passes. */
const mostHolds = 20

/**
 * Kills what `find` finds, with the whole process groups, until two passes in a row find nothing new: one pass can
 * miss a process that is just being forked. All are stopped before the first is killed, because some are known
 * only by a parent that runs. The last pass of the stopping is one of the two, since a pass takes longer than all else.
 * @returns when nothing is left, the ids of those that we are not allowed to kill
 */
export async function killUntilGone(find: () => Promise<readonly Target[]>): Promise<number[]> {
  const look = rememberFound(find)
  const forbidden = new Set<number>()
  let { found, isAll } = await holdAll(look)
  for (let passes = 0, emptyPasses = isAll ? 1 : 0; emptyPasses < 2; passes++) {
    for (const pid of signalAll(found, 'SIGKILL')) forbidden.add(pid)
    const killed = found.filter(({ pid }) => !forbidden.has(pid))
    await untilGone(killed, Math.min(pause.firstMs * pause.factor ** passes, pause.longestMs))
    found = (await look()).filter(({ pid }) => !forbidden.has(pid))
    emptyPasses = found.length === 0 ? emptyPasses + 1 : 0
  }
  return [...forbidden]
}

/** Resolves when none of them is left, or the time is over. */
async function untilGone(targets: readonly Target[], longestMs: number): Promise<void> {
  const startedAt = performance.now()
  let left = targets
  do {
    await delay(pause.glanceMs)
    left = left.filter(({ pid, startTicks }) => isSame(pid, startTicks))
  } while (left.length > 0 && performance.now() - startedAt < longestMs)
}

interface Held {
  readonly found: readonly Target[]
  /** Whether the last pass found nothing new; not, when they grow faster than they can be stopped. */
  readonly isAll: boolean
}

/** Stops what is found until there is nothing new: what is stopped has no more children. */
async function holdAll(look: () => Promise<readonly Target[]>): Promise<Held> {
  const held = new Set<string>()
  for (let pass = 0; ; pass++) {
    const found = await look()
    const unheld = found.filter(target => !held.has(keyOf(target)))
    const isAll = unheld.length === 0
    if (isAll || pass >= mostHolds) return { found, isAll }
    signalAll(unheld, 'SIGSTOP')
    for (const target of unheld) held.add(keyOf(target))
  }
}

/** @returns the ids of those that we are not allowed to signal */
function signalAll(targets: readonly Target[], signal: NodeJS.Signals): number[] {
  for (const group of new Set(targets.map(target => target.group))) signalGroup(group, signal)
  return targets.filter(target => !signalProcess(target, signal)).map(({ pid }) => pid)
}

/** Signals a process if it is still the same one. @returns false when we are not allowed to */
export function signalProcess({ pid, startTicks }: Target, signal: NodeJS.Signals): boolean {
  if (startTicks && !isSame(pid, startTicks)) return true
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'EPERM')
  }
}

/** Reaches all of a group at once, before one of them can fork. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  // To kill, 0 and 1 mean our own group and everybody; /proc shows 0 for groups of other containers.
  if (group > 1) signalProcess({ pid: -group, group, startTicks: '' }, signal)
}

/** Finds what `find` finds, and what it found before and still runs: that by which it was known may be gone. */
export function rememberFound(
  find: () => Promise<readonly Target[]>,
): () => Promise<readonly Target[]> {
  const known = new Map<string, Target>()
  return async () => {
    const found = new Map((await find()).map(target => [keyOf(target), target]))
    for (const [key, target] of known)
      if (!found.has(key) && isSame(target.pid, target.startTicks)) found.set(key, target)
    known.clear()
    for (const [key, target] of found) if (target.startTicks) known.set(key, target)
    return [...found.values()]
  }
}

function keyOf({ pid, startTicks }: Target): string {
  return `${pid}/${startTicks}`
}

function isSame(pid: number, startTicks: string): boolean {
  return readStartTicks(pid) === startTicks
}
