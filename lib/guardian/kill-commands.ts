import { listProcesses, type ListedProcess } from '../step/process-list.ts'
import { serverCookieName } from '../step/process-tree.ts'
import { killUntilGone } from '../step/signal-process.ts'
import type { ServerProcess } from './message.ts'
import type { WatchEnd } from './watch-server.ts'

/**
 * Kills every process of the runs that a server was at, wherever it went; and first the server itself when it is
 * overdue. What runs that had finished left behind on purpose goes on.
 * @returns when nothing is left, the ids of the processes that we are not allowed to kill
 */
export function killCommands(end: WatchEnd): Promise<number[]> {
  return killUntilGone(async () => {
    const all: ListedProcess[] = []
    for await (const found of listProcesses()) all.push(found)
    const forks = findForks(all, end)
    return [...forks, ...findCommands(all, end).filter(command => !forks.includes(command))]
  })
}

/**
 * The forks of the server that did not begin their program, and so have no cookie yet; and, when it must die, the
 * server. One that lives and has only closed its pipe may start what it likes.
 */
function findForks(all: readonly ListedProcess[], end: WatchEnd): ListedProcess[] {
  const { server } = end.charge
  const forks = all.filter(found => isOrIsForkOf(found, server))
  const lives = forks.some(({ pid }) => pid === server.pid)
  return lives && end.how === 'gone' ? [] : forks
}

function isOrIsForkOf(found: ListedProcess, server: ServerProcess): boolean {
  if (found.pid === server.pid) return found.startTicks === server.startTicks
  return found.environmentAt === server.environmentAt && found.environmentAt !== '0'
}

/**
 * The processes that have the server's cookie and belong to a run that has not finished, and all others of their
 * sessions: each command begins with a session of its own, and one that clears its environment is still in it.
 */
function findCommands(all: readonly ListedProcess[], end: WatchEnd): ListedProcess[] {
  const { cookie, server } = end.charge
  const marked = all.filter(found => isOfRunning(found.environment, cookie, end.running))
  const sessions = new Set(marked.map(({ session }) => session))
  return all.filter(
    found =>
      marked.includes(found) || (sessions.has(found.session) && found.session !== server.session),
  )
}

function isOfRunning(environment: Buffer, cookie: string, running: ReadonlySet<string>): boolean {
  if (!environment.includes(`${serverCookieName}=${cookie}`)) return false
  const [, id] = /\0CLUSTER_REQUEST_ID=(\d+)\0/.exec(`\0${environment.toString('latin1')}`) ?? []
  return id === undefined || running.has(id)
}
