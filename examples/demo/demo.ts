// A cluster of three servers and one PostgreSQL on this machine: it works, loses a server, and goes on.
// In a clone: npm run demo

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'pg'
import { Cluster } from '../../lib/index.ts'
import { startTemporaryPostgres } from '../database.ts'
import { Screen } from './screen.ts'
import { drain, lastLines, startServer, type DemoServer } from './servers.ts'
import { tellStory } from './story.ts'

const nodes = ['alpha', 'bravo', 'charlie']

/** The demo gives up after so many milliseconds. */
const limitMs = 55_000

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => interrupted.abort(new Error(`interrupted by ${name}`)))
// Whoever read our output has gone away.
process.stdout.on('error', error => interrupted.abort(error))

/** Aborted when a server fails. */
const failed = new AbortController()

const screen = new Screen(process.stdout)
process.exitCode = await runDemo(
  AbortSignal.any([interrupted.signal, failed.signal, AbortSignal.timeout(limitMs)]),
)

/** Sets the stage, and clears it whatever happens. @returns the exit code */
async function runDemo(signal: AbortSignal): Promise<number> {
  /** What there is to clear away, the last first. */
  const remains: (() => Promise<unknown>)[] = []
  const servers: DemoServer[] = []
  try {
    const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-demo-'))
    remains.unshift(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const postgres = await startTemporaryPostgres()
    remains.unshift(() => postgres.remove())
    const pool = new Pool({ connectionString: postgres.url })
    pool.on('error', () => {})
    remains.unshift(() => pool.end())
    const cluster = new Cluster({ pool, nodeId: 'demo' })
    remains.unshift(() => cluster.stop())
    await cluster.migrate()

    const ledger = join(folder, 'ledger')
    const settings = { url: postgres.url, folder, ledger, concurrency: 3, lostAfter: '2s' }
    remains.unshift(() => drain(servers))
    for (const node of nodes) {
      const server = await startServer(node, settings)
      servers.push(server)
      void endWith(server)
    }
    const stage = { screen, cluster, pool, servers, folder, ledger, signal }
    const broken = await tellStory(stage)
    if (broken.length === 0) screen.title('All came out as promised.')
    else await sayWhatBroke(['This did not come out as promised:', ...broken], servers)
    return broken.length === 0 ? 0 : 1
  } catch (thrown) {
    const reason = signal.aborted ? signal.reason : thrown
    if (interrupted.signal.aborted) screen.title(reason.message)
    else await sayWhatBroke(['The demo did not get to its end:', String(reason)], servers)
    return interrupted.signal.aborted ? 130 : 1
  } finally {
    for (const clear of remains) await clear()
  }
}

/** The demo ends when a server fails. */
async function endWith({ node, ended }: DemoServer): Promise<void> {
  const code = await ended
  if (typeof code === 'number' && code > 0)
    failed.abort(new Error(`the server ${node} ended with exit code ${code}`))
}

async function sayWhatBroke(
  [title = '', ...sentences]: readonly string[],
  servers: readonly DemoServer[],
): Promise<void> {
  screen.title(title)
  for (const sentence of sentences) screen.say(`  ${sentence}`)
  for (const server of servers)
    screen.say(`The last words of ${server.node}:\n${await lastLines(server, 5)}`)
}
