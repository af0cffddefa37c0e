import { setTimeout as delay } from 'node:timers/promises'
import { listProcesses, readProcess } from './process-list.ts'
import { killUntilGone, signalGroup, signalProcess, type Target } from './signal-process.ts'

/** The environment variable by which a process is recognised, wherever it went. */
export const cookieName = 'CLUSTER_STEP_COOKIE'

/** The variable by which all processes of a server's runs are recognised; its value belongs to the incarnation. */
export const serverCookieName = 'CLUSTER_SERVER_COOKIE'

/**
 * A command and everything that it started: its process group, and, on Linux, every process that has
 * the cookie in its environment (also when it made a session of its own and its parent is gone).
 */
export interface ProcessTree {
  /** The process group, which is the process id of the command. */
  readonly group: number
  /** The value of CLUSTER_STEP_COOKIE, unique to this execution. */
  readonly cookie: string
}

const firstLookMs = 10
const longestLookMs = 200

/**
 * Asks a tree to end (SIGTERM), and after `graceMs` makes it (SIGKILL).
 * @returns when no process of it is left, the ids of those that we are not allowed to stop
 */
export async function stopTree(tree: ProcessTree, graceMs: number): Promise<number[]> {
  const members = await findMembers(tree)
  if (members.some(({ group }) => group === tree.group)) signalGroup(tree.group, 'SIGTERM')
  // One SIGTERM each: many programs take a second one as impatience, and skip their cleaning up.
  for (const member of members) if (member.group !== tree.group) signalProcess(member, 'SIGTERM')
  if (await isGoneWithin(tree, graceMs)) return []
  return killUntilGone(() => findMembers(tree))
}

async function isGoneWithin(tree: ProcessTree, graceMs: number): Promise<boolean> {
  let waited = 0
  for (let wait = firstLookMs; waited < graceMs; wait = Math.min(2 * wait, longestLookMs)) {
    const pause = Math.min(wait, graceMs - waited)
    await delay(pause)
    waited += pause
    if ((await findMembers(tree)).length === 0 && (await findMembers(tree)).length === 0)
      return true
  }
  return false
}

async function findMembers(tree: ProcessTree): Promise<Target[]> {
  if (process.platform !== 'linux') return groupAsMember(tree)
  const own = readProcess(process.pid)
  const cookie = Buffer.from(`${cookieName}=${tree.cookie}`)
  const members: Target[] = []
  for await (const found of listProcesses()) {
    if (typeof own === 'object' && found.group === own.group) continue
    if (found.group === tree.group || found.environment.includes(cookie)) members.push(found)
  }
  return members
}

/** Without /proc the group stands for the tree: a negative process id means a group. */
function groupAsMember({ group }: ProcessTree): Target[] {
  try {
    process.kill(-group, 0)
    return [{ pid: -group, group, startTicks: '' }]
  } catch {
    return []
  }
}
