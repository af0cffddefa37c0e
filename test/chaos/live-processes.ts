import { readdirSync, readFileSync } from 'node:fs'

/** A process, named for good: ids are used again. */
export interface ProcessName {
  readonly pid: number
  readonly startTicks: string
}

/** A process of a run, recognised by what its environment says. */
export interface RunProcess extends ProcessName {
  readonly requestId: string
  readonly node: string
}

/**
 * All processes of commands that are alive.
 * @param ledgerFile tells those of this run from those of another one
 */
export function listRunProcesses(ledgerFile: string): RunProcess[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      const environment = read(name, 'environ')
      if (!environment.includes(`CHAOS_LEDGER=${ledgerFile}\0`)) return []
      const requestId = /(?:^|\0)CLUSTER_REQUEST_ID=(\d+)\0/.exec(environment)?.[1]
      const node = /(?:^|\0)CLUSTER_NODE=([^\0]*)\0/.exec(environment)?.[1]
      const startTicks = startTicksOf(Number(name))
      if (requestId === undefined || node === undefined || startTicks === undefined) return []
      return [{ pid: Number(name), startTicks, requestId, node }]
    })
}

/** Whether the process still runs; one that only waits to be collected by its parent does not. */
export function isRunning({ pid, startTicks }: ProcessName): boolean {
  return startTicksOf(pid) === startTicks
}

function startTicksOf(pid: number): string | undefined {
  const stat = read(pid, 'stat')
  const [state = 'X', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === '' || state === 'X' || state === 'Z' ? undefined : fields[18]
}

function read(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
