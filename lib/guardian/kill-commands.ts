import { withDescendants } from '../step/process-family.ts'
import { listProcesses, type ListedProcess } from '../step/process-list.ts'
import { serverCookieName } from '../step/process-tree.ts'
import { killUntilGone, noGroup, type Target } from '../step/signal-process.ts'
import type { ServerProcess } from './message.ts'
import type { WatchEnd } from './watch-server.ts'

/** What is left to be ended of a server. */
export interface Leftover {
  readonly charge: { readonly cookie: string; readonly server: LeftServer }
  readonly how: WatchEnd['how']
  /** The ids of the requests whose processes are to be ended. */
  readonly running: ReadonlySet<string>
}

/** What is known of a server's process; of one that is gone for long, no more than which it was. */
type LeftServer = Pick<ServerProcess, 'pid' | 'startTicks'> &
  Partial<Pick<ServerProcess, 'session' | 'environmentAt'>>

/**
 * Kills every process of the runs that a server was at, wherever it went; and first the server itself when it is
 * overdue. What runs that had finished left behind on purpose goes on.
 * @returns when nothing is left, the ids of the processes that we are not allowed to kill
 */
export function killCommands(end: Leftover): Promise<number[]> {
  return killUntilGone(async () => {
    const all: ListedProcess[] = []
    for await (const found of listProcesses()) all.push(found)
    const forks = findForks(all, end)
    // They may be in the server's group, with whatever else was started beside it.
    const alone: Target[] = forks.map(fork => ({ ...fork, group: noGroup }))
    return [...alone, ...findCommands(all, end).filter(command => !forks.includes(command))]
  })
}

/**
 * The forks of the server that did not begin their program, and so have no cookie yet; and, when it must die, the
 * server. One that lives and has only closed its pipe may start what it likes.
 */
function findForks(all: readonly ListedProcess[], end: Leftover): ListedProcess[] {
  const { server } = end.charge
  const forks = all.filter(found => isOrIsForkOf(found, server))
  const lives = forks.some(({ pid }) => pid === server.pid)
  return lives && end.how === 'gone' ? [] : forks
}

function isOrIsForkOf(found: ListedProcess, server: LeftServer): boolean {
  if (found.pid === server.pid) return found.startTicks === server.startTicks
  return found.environmentAt === server.environmentAt && found.environmentAt !== '0'
}

/**
 * The processes that have the server's cookie and belong to a run that has not finished, all others of their
 * sessions, and all their descendants: each command begins with a session of its own, and one that clears its
 * environment is still in it, or still has its parent.
 */
function findCommands(all: readonly ListedProcess[], end: Leftover): ListedProcess[] {
  const { cookie, server } = end.charge
  const marked = new Set(all.filter(found => isOfRunning(found.environment, cookie, end.running)))
  const sessions = new Set([...marked].map(({ session }) => session))
  if (server.session !== undefined) sessions.delete(server.session)
  return withDescendants(all, found => marked.has(found) || sessions.has(found.session))
}

/** By the value of the cookie: the server's, and the request's id. */
function isOfRunning(environment: string, cookie: string, running: Leftover['running']): boolean {
  const mark = readMark(environment, cookie)
  return mark !== undefined && running.has(mark)
}

/** What a process with this environment belongs to; undefined when it is none of the server with this cookie. */
export function readMark(environment: string, cookie: string): string | undefined {
  const name = `\0${serverCookieName}=${cookie}/`
  // Most processes do not have it; what begins with it has no NUL before it.
  if (!environment.includes(name.slice(1))) return undefined
  const text = `\0${environment}`
  const at = text.indexOf(name)
  return at < 0 ? undefined : text.slice(at + name.length, text.indexOf('\0', at + 1))
}
