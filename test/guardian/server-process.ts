import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Test } from 'tap'
import { Cluster } from '../../lib/index.ts'
import { createDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'
import { launchServer, readLog, type ServerOrder } from './launch-server.ts'
import { findMarked, isAlive, sessionOf } from './marked.ts'

export interface ServerProcess {
  readonly pid: number
  readonly url: string
  /** For looking and enqueueing. */
  readonly cluster: Cluster
  kill(signal: NodeJS.Signals): void
  /** The next line of its log with this message. */
  waitForLine(message: string): Promise<Record<string, unknown>>
  /** The process id of the next guardian that watches. */
  waitForGuardian(): Promise<number>
  /** The exit code and the signal. */
  readonly ended: Promise<unknown[]>
  /** The processes of its commands that are alive, wherever they went. */
  commands(): number[]
  /** Enqueues, and waits until its commands have so many processes in all. @returns the request's id */
  begin(process: string, processes: number): Promise<string>
  /** @returns the commands that were alive at the moment when the database said that the request has finished */
  watchEnd(id: string): Promise<number[]>
}

/** How long the others would wait, far more than any of these tests lasts. */
export const lostAfter = '30s'

/**
 * Starts a server as a process of its own and waits until it claims. When the test ends it is gone, with its
 * guardians and its commands. In the commands' texts, MARK stands for the text that they are found by.
 */
export async function startServer(
  t: Test,
  order: ServerOrder & { url?: string },
): Promise<ServerProcess> {
  const { shells, url = (await createDatabase(t)).url, ...options } = order
  const mark = `mark-${randomUUID()}`
  const marked = Object.entries(shells).map(([name, steps]) => [
    name,
    steps.map(shell => shell.replaceAll('MARK', mark)),
  ])
  const child = launchServer(
    {
      connectionString: url,
      nodeId: 'a',
      // Another call would empty the folder of the server before.
      dataDir: options.dataDir ?? t.testdir(),
      retention: 'forever',
      pollInterval: '50ms',
      passEnv: ['MARK'],
      lostAfter,
      ...options,
      shells: Object.fromEntries(marked),
    },
    mark,
  )
  const ended = once(child, 'exit')
  const cluster = new Cluster({ connectionString: url, nodeId: 'test' })
  const guardians: number[] = []
  const waitForLine = readLog(child)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    for (const pid of guardians) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    for (const pid of findMarked(mark)) process.kill(pid, 'SIGKILL')
    await cluster.stop()
  })
  await waitForLine('ready')
  // Each command has a session of its own; what the server starts for itself is in the server's, which it leads.
  const commands = (): number[] => findMarked(mark).filter(pid => sessionOf(pid) !== child.pid)
  return {
    pid: child.pid ?? 0,
    url,
    cluster,
    kill: signal => void child.kill(signal),
    waitForLine,
    async waitForGuardian() {
      const { guardian } = await waitForLine('a guardian watches')
      guardians.push(Number(guardian))
      return Number(guardian)
    },
    ended,
    commands,
    async begin(process, processes) {
      const { id } = await cluster.enqueue(process)
      await until(async () => commands().length === processes)
      return id
    },
    async watchEnd(id) {
      await until(async () => (await cluster.get(id)).state === 'finished')
      return commands()
    },
  }
}
