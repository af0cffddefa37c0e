import { setTimeout as delay } from 'node:timers/promises'
import { withDescendants } from './process-family.ts'
import { listProcesses, readProcess, type ListedProcess } from './process-list.ts'
import {
  killUntilGone,
  rememberFound,
  signalGroup,
  signalProcess,
  type Target,
} from './signal-process.ts'

/** The environment variable by which a process is recognised, wherever it went. */
export const cookieName = 'CLUSTER_STEP_COOKIE'

/**
 * The variable by which all processes of a server's runs and sources are recognised. Its value is the incarnation's
 * cookie; for a program, what it is for follows: the request's id (`cookie/12`), or the use of a source.
 */
export const serverCookieName = 'CLUSTER_SERVER_COOKIE'

/**
 * What a program must have in its environment so that the guardians find it; nothing where there are none.
 * @param environment that of all programs of the server
 * @param id what the guardians were told that it is for
 */
export function markProgram(
  environment: Readonly<Record<string, string>>,
  id: string,
): Record<string, string> {
  const cookie = environment[serverCookieName]
  return cookie === undefined ? {} : { [serverCookieName]: `${cookie}/${id}` }
}

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
  const find = rememberFound(() => findMembers(tree))
  const members = await find()
  if (members.some(({ group }) => group === tree.group)) signalGroup(tree.group, 'SIGTERM')
  // One SIGTERM each: many programs take a second one as impatience, and skip their cleaning up.
  for (const member of members) if (member.group !== tree.group) signalProcess(member, 'SIGTERM')
  if (await isGoneWithin(find, graceMs)) return []
  return killUntilGone(find)
}

async function isGoneWithin(
  find: () => Promise<readonly Target[]>,
  graceMs: number,
): Promise<boolean> {
  let waited = 0
  for (let wait = firstLookMs; waited < graceMs; wait = Math.min(2 * wait, longestLookMs)) {
    const pause = Math.min(wait, graceMs - waited)
    await delay(pause)
    waited += pause
    if ((await find()).length === 0 && (await find()).length === 0) return true
  }
  return false
}

async function findMembers(tree: ProcessTree): Promise<Target[]> {
  if (process.platform !== 'linux') return groupAsMember(tree)
  const own = readProcess(process.pid)
  const cookie = `${cookieName}=${tree.cookie}`
  const all: ListedProcess[] = []
  for await (const found of listProcesses()) all.push(found)
  return withDescendants(
    all,
    ({ group, environment }) => group === tree.group || environment.includes(cookie),
  ).filter(found => typeof own !== 'object' || found.group !== own.group)
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
