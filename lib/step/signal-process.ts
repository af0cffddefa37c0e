import { setTimeout as delay } from 'node:timers/promises'
import { readProcess, type ListedProcess } from './process-list.ts'

/** What a signal can be sent to. */
export type Target = Pick<ListedProcess, 'pid' | 'group' | 'startTicks'>

const killPassMs = 5

/**
 * Kills what `find` finds, with the whole process groups, until two passes in a row find nothing: one pass can
 * miss a process that is just being forked.
 * @returns when nothing is left, the ids of those that we are not allowed to kill
 */
export async function killUntilGone(find: () => Promise<readonly Target[]>): Promise<number[]> {
  const forbidden = new Set<number>()
  for (let emptyPasses = 0; emptyPasses < 2;) {
    const found = (await find()).filter(({ pid }) => !forbidden.has(pid))
    for (const group of new Set(found.map(target => target.group))) signalGroup(group, 'SIGKILL')
    for (const target of found) if (!signalProcess(target, 'SIGKILL')) forbidden.add(target.pid)
    emptyPasses = found.length === 0 ? emptyPasses + 1 : 0
    await delay(killPassMs)
  }
  return [...forbidden]
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

function isSame(pid: number, startTicks: string): boolean {
  const now = readProcess(pid)
  return now === 'loading' || now?.startTicks === startTicks
}
