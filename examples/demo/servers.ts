import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A server: a process of the operating system that runs the binary, as on a machine of its own. */
export interface DemoServer {
  readonly node: string
  readonly pid: number | undefined
  /** Where its output goes. */
  readonly logFile: string
  /** Resolves when it has ended, with its exit code or the signal that ended it. */
  readonly ended: Promise<number | string>
  send(signal: NodeJS.Signals): void
}

/** What all servers of the demo share. */
export interface ServerSettings {
  readonly url: string
  readonly folder: string
  readonly ledger: string
  readonly concurrency: number
  readonly lostAfter: string
}

/** How long a server may take to drain, in milliseconds. */
const patienceMs = 10_000

/** Starts `cluster-worker start`; the database will tell when it has joined. */
export async function startServer(node: string, settings: ServerSettings): Promise<DemoServer> {
  const { url, folder, ledger, concurrency, lostAfter } = settings
  const logFile = join(folder, `${node}.log`)
  const log = await open(logFile, 'a')
  const options = {
    '--node-id': node,
    '--database-url': url,
    '--data-dir': join(folder, node),
    '--processes': join(import.meta.dirname, 'processes.ts'),
    '--concurrency': String(concurrency),
    '--lost-after': lostAfter,
    '--pass-env': 'DEMO_LEDGER',
  }
  const binary = join(import.meta.dirname, '../../bin/cluster-worker.js')
  const child = spawn(process.execPath, [binary, 'start', ...Object.entries(options).flat()], {
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, DEMO_LEDGER: ledger },
  })
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal)
  await log.close()
  return { node, pid: child.pid, logFile, ended, send: signal => void child.kill(signal) }
}

/** Lets servers finish what they run and leave, by force only if they do not. Gives how each ended. */
export async function drain(servers: readonly DemoServer[]): Promise<(number | string)[]> {
  for (const server of servers) server.send('SIGTERM')
  const ended = Promise.all(servers.map(server => server.ended))
  const stopWaiting = new AbortController()
  const late = delay(patienceMs, 'late', { signal: stopWaiting.signal }).catch(() => 'in time')
  if ((await Promise.race([ended, late])) === 'late')
    for (const server of servers) server.send('SIGKILL')
  stopWaiting.abort()
  return ended
}

/** The end of what a server has written, for when something went wrong. */
export async function lastLines({ logFile }: DemoServer, count: number): Promise<string> {
  return (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-count).join('\n')
}
