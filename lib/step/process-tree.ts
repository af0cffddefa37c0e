import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'

/** The environment variable by which a process is recognised, wherever it went. */
export const cookieName = 'CLUSTER_STEP_COOKIE'

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
const killPassMs = 5

/**
 * A process that starts its successor and ends may be gone before we read it, and the successor is not
 * in our list yet: so the list is read again until it has nothing new. (A host that starts processes
 * all the time would keep us for ever.)
 */
const mostLooks = 20

/** As many processes are looked at before the event loop gets its turn. */
const processesPerTurn = 64

/**
 * Asks a tree to end (SIGTERM), and after `graceMs` makes it (SIGKILL).
 * @returns when no process of it is left, the ids of those that we are not allowed to stop
 */
export async function stopTree(tree: ProcessTree, graceMs: number): Promise<number[]> {
  const members = await findMembers(tree)
  if (members.some(({ group }) => group === tree.group)) send(wholeGroup(tree), 'SIGTERM')
  // One SIGTERM each: many programs take a second one as impatience, and skip their cleaning up.
  for (const member of members) if (member.group !== tree.group) send(member, 'SIGTERM')
  if (await isGoneWithin(tree, graceMs)) return []
  return killTree(tree)
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

/** Kills until two passes in a row find nothing: one pass can miss a process that is just being forked. */
async function killTree(tree: ProcessTree): Promise<number[]> {
  const forbidden = new Set<number>()
  for (let emptyPasses = 0; emptyPasses < 2;) {
    const members = (await findMembers(tree)).filter(({ pid }) => !forbidden.has(pid))
    if (members.some(({ group }) => group === tree.group)) send(wholeGroup(tree), 'SIGKILL')
    for (const member of members) if (!send(member, 'SIGKILL')) forbidden.add(member.pid)
    emptyPasses = members.length === 0 ? emptyPasses + 1 : 0
    await delay(killPassMs)
  }
  return [...forbidden]
}

interface Member {
  readonly pid: number
  readonly group: number
  /** When it was started; with the pid it identifies a process for ever. */
  readonly startTicks: string
}

async function findMembers(tree: ProcessTree): Promise<Member[]> {
  if (process.platform !== 'linux') return groupAsMember(tree)
  const own = readMember(process.pid)
  const cookie = Buffer.from(`${cookieName}=${tree.cookie}`)
  const members: Member[] = []
  const seen = new Set<number>()
  for (let look = 0; look < mostLooks; look++) {
    const unseen = listProcesses().filter(pid => !seen.has(pid))
    if (unseen.length === 0) break
    for (const pid of unseen) {
      if (seen.add(pid).size % processesPerTurn === 0) await nextTurn()
      const member = readMember(pid)
      if (!member || pid === process.pid || member.group === own?.group) continue
      if (member.group === tree.group || hasInEnvironment(pid, cookie)) members.push(member)
    }
  }
  return members
}

/** A signal to it reaches all at once, before one of them can fork: a negative pid means a group. */
function wholeGroup({ group }: ProcessTree): Member {
  return { pid: -group, group, startTicks: '' }
}

/** Without /proc the group stands for the tree. */
function groupAsMember(tree: ProcessTree): Member[] {
  const all = wholeGroup(tree)
  try {
    process.kill(all.pid, 0)
    return [all]
  } catch {
    return []
  }
}

function listProcesses(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

/** Reads /proc/<pid>/stat; nothing when the process is gone, or ended and only not waited for yet. */
function readMember(pid: number): Member | undefined {
  const stat = readProc(pid, 'stat')?.toString('latin1')
  if (!stat) return undefined
  // The second field is the program's name, which may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state = 'X', , group = '0'] = fields
  if (state === 'Z' || state === 'X') return undefined
  return { pid, group: Number(group), startTicks: fields[19] ?? '' }
}

function hasInEnvironment(pid: number, text: Buffer): boolean {
  return readProc(pid, 'environ')?.includes(text) ?? false
}

function readProc(pid: number, file: 'stat' | 'environ'): Buffer | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`)
  } catch {
    return undefined
  }
}

/** Signals a process if it is still the same one. @returns false when we are not allowed to */
function send({ pid, startTicks }: Member, signal: NodeJS.Signals): boolean {
  if (startTicks && readMember(pid)?.startTicks !== startTicks) return true
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'EPERM')
  }
}
