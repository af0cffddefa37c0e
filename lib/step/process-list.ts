import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'

/** A process of this machine, as /proc shows it. */
export interface ListedProcess {
  readonly pid: number
  /** 0 when it is not to be seen from here. */
  readonly parent: number
  readonly group: number
  readonly session: number
  /** When it was started; with the pid it identifies a process for ever. */
  readonly startTicks: string
  /** Where its environment lies: chance decides anew for each program, and a fork has that of its parent. */
  readonly environmentAt: string
  /** Empty when we may not read it. */
  readonly environment: string
}

/**
 * A process that starts its successor and ends may be gone before we read it, and the successor is not
 * in our list yet: so the list is read again until it has nothing new. (A host that starts processes
 * all the time would keep us for ever.)
 */
const mostLooks = 20

/** As many processes are looked at before the event loop gets its turn. */
const processesPerTurn = 64

/**
 * Processes that are just loading a program are waited for, some milliseconds at a time: on a busy machine that
 * takes a while. One that takes much longer hangs with the disk that its program is on.
 */
const loadingWaitMs = 1
const mostLoadingWaits = 500

/** All processes that run, except our own. Only on Linux. */
export async function* listProcesses(): AsyncGenerator<ListedProcess> {
  const seen = new Set([process.pid])
  let loadingWaits = 0
  for (let look = 0; look < mostLooks;) {
    const unseen = listNumbers('/proc').filter(pid => !seen.has(pid))
    if (unseen.length === 0) return
    let isAnyLoading = false
    for (const [index, pid] of unseen.entries()) {
      if (index % processesPerTurn === processesPerTurn - 1) await nextTurn()
      const found = readProcess(pid)
      if (found === 'loading') isAnyLoading = true
      else seen.add(pid)
      if (found && found !== 'loading') yield found
    }
    if (isAnyLoading && loadingWaits++ < mostLoadingWaits) await delay(loadingWaitMs)
    else look++
  }
}

/**
 * One process; undefined when it is gone, or has ended and was only not waited for yet. Between two programs
 * (in the middle of exec) a process has no environment for a moment: then it is `loading`.
 */
export function readProcess(pid: number): ListedProcess | 'loading' | undefined {
  const own = readThread(`/proc/${pid}`)
  if (!own) return undefined
  if (!hasEnded(own.fields)) return describe(pid, own)
  // The first thread may have ended before the others: then they have what the process has.
  if (Number(own.fields[17]) <= 1) return undefined
  const others = listNumbers(`/proc/${pid}/task`)
  const left = others
    .map(thread => readThread(`/proc/${pid}/task/${thread}`))
    .find(thread => thread !== undefined && !hasEnded(thread.fields))
  return left && describe(pid, { ...left, fields: left.fields.with(19, own.fields[19] ?? '') })
}

/** When a process was started; undefined when it has ended. */
export function readStartTicks(pid: number): string | undefined {
  const fields = readFields(`/proc/${pid}`)
  const isAlive = fields && (!hasEnded(fields) || Number(fields[17]) > 1)
  return isAlive ? fields[19] : undefined
}

interface Thread {
  readonly environment: string | undefined
  /** What `stat` says, from the state on. */
  readonly fields: readonly string[]
}

function readThread(folder: string): Thread | undefined {
  // In this order, a fork that begins its program meanwhile is seen as the fork, as the program, or as both.
  const fields = readFields(folder)
  if (!fields) return undefined
  return { fields, environment: hasEnded(fields) ? '' : readProc(`${folder}/environ`) }
}

/** The second field of `stat` is the program's name, which may hold spaces and parentheses: those after it. */
function readFields(folder: string): string[] | undefined {
  const stat = readProc(`${folder}/stat`)
  return stat === undefined ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function hasEnded([state = 'X']: readonly string[]): boolean {
  return state === 'Z' || state === 'X'
}

function describe(pid: number, { environment, fields }: Thread): ListedProcess | 'loading' {
  const [, parent, group, session] = fields
  const [memory, code, environmentAt = '0', environmentEnd] = [20, 23, 47, 48].map(n => fields[n])
  // Where the code is becomes known last. (What has no memory is the kernel's own, or is ending.)
  const isEmpty = memory === '0' || (code !== '0' && environmentAt === environmentEnd)
  if (environment?.length === 0 && !isEmpty) return 'loading'
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTicks: fields[19] ?? '',
    environmentAt,
    environment: environment ?? '',
  }
}

function listNumbers(folder: string): number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

/**
 * As UTF-8, though not all of it may be: Node reads that by a way of its own, in half the time. What we look for is
 * ASCII, which what is not UTF-8 leaves as it is.
 */
function readProc(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
