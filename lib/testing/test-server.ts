import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { monotonic } from '../base/clock.ts'
import type { Cluster } from '../cluster.ts'
import type { NodeStatus } from '../db/nodes.ts'
import { ClusterError } from '../errors.ts'
import { ordersVariable, type Orders, type StepToKillAt } from './orders.ts'

export interface TestServerOptions {
  /** Defaults to `a`, `b` and so on. */
  nodeId?: string
  /** Files and folders that define the processes it runs. */
  processes: readonly string[]
  /** Further flags of `cluster-worker start`, such as `['--lost-after', '5s']`. The profile is `fast` unless they say otherwise. */
  flags?: readonly string[]
  /** Variables beside those of this program, of which `CLUSTER_*`, `DATABASE_URL` and `NODE_OPTIONS` are left out. */
  env?: Readonly<Record<string, string>>
  /** The database that it is told. Defaults to the testbed's; give the `url` of a proxy. */
  databaseUrl?: string
  /** Kills the server (SIGKILL) when this step is about to begin, the first time that it is. */
  killAt?: StepToKillAt
  /** By how many milliseconds its wall clock is ahead of the machine's, or behind when it is negative. Its commands have the machine's. */
  clockAheadMs?: number
}

/** A server in a process of its own. */
export interface TestServer {
  readonly nodeId: string
  readonly pid: number
  /** Its log and what else it has printed so far. */
  readonly output: () => string
  /** Resolves when its process has ended: the exit code, or the signal that killed it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Kills it (SIGKILL), as a crash does; its guardian stops its commands and fails its requests. */
  readonly kill: () => Promise<void>
  /** Freezes it, with its witness (SIGSTOP). Its guardian, which goes on, ends it before the others declare it lost. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Lets it finish what it runs, and leave. @returns the exit code */
  readonly stop: () => Promise<number | NodeJS.Signals>
}

interface Place {
  /** For looking at the servers. */
  readonly cluster: Cluster
  readonly databaseUrl: string
  readonly nodeId: string
  readonly dataDir: string
}

/** How long a server may take to join, or to be known as gone, in milliseconds. */
const longestChangeMs = 30_000

/**
 * Starts a server and waits until it has joined.
 * @throws {ClusterError} CW_CONFIG with its output when it ends instead, CW_WAIT_TIMEOUT after 30 s
 */
export async function startTestServer(
  options: TestServerOptions,
  place: Place,
): Promise<TestServer> {
  const { cluster, nodeId } = place
  const before = await incarnationOf(cluster, nodeId)
  const child = spawnServer(options, place)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', text => (output += text))
  let end: number | NodeJS.Signals | undefined
  const ended = once(child, 'close').then(([code, signal]) => (end = code ?? signal))
  await once(child, 'spawn')
  const hasJoined = async (): Promise<boolean> => {
    if (end !== undefined)
      throw new ClusterError(
        'CW_CONFIG',
        `the server ${nodeId} ended (${end}) before it had joined:\n${output}`,
      )
    const now = await find(cluster, nodeId)
    // It is in the database some moments before its guardians watch over it.
    return (
      now?.state === 'active' && now.incarnation !== before && output.includes('"server started"')
    )
  }
  try {
    await waitUntil(hasJoined, () => `the server ${nodeId} did not join:\n${output}`)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return {
    nodeId,
    pid: child.pid as number,
    output: () => output,
    ended,
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}

/** Kills a server that still lives, and waits until its guardian, which needs the database for that, has said so. */
export async function endTestServer(server: TestServer, cluster: Cluster): Promise<void> {
  await server.kill()
  const isGone = async (): Promise<boolean> => {
    const state = (await find(cluster, server.nodeId))?.state
    return state !== 'active' && state !== 'silent'
  }
  await waitUntil(isGone, () => `nobody has declared the server ${server.nodeId} lost`)
}

function spawnServer(options: TestServerOptions, place: Place): ChildProcess {
  const { processes, flags = [], env, databaseUrl = place.databaseUrl } = options
  const orders = ordersOf(options)
  const preload = new URL(`preload${extname(import.meta.url)}`, import.meta.url)
  const imports = Object.keys(orders).length > 0 ? ['--import', preload.href] : []
  // A database that is kept from run to run knows the node id, with the data folder of an earlier run.
  const identity = ['--node-id', place.nodeId, '--data-dir', place.dataDir, '--take-identity']
  const words = ['start', ...identity]
  const named = processes.flatMap(path => ['--processes', path])
  const profile = flags.includes('--profile') ? [] : ['--profile', 'fast']
  return spawn(
    process.execPath,
    [...imports, binaryFile(), ...words, ...named, ...profile, ...flags],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...ownEnvironment(),
        ...env,
        DATABASE_URL: databaseUrl,
        [ordersVariable]: JSON.stringify(orders),
      },
    },
  )
}

function ordersOf({ killAt, clockAheadMs }: TestServerOptions): Orders {
  return { ...(killAt && { killAt }), ...(clockAheadMs !== undefined && { clockAheadMs }) }
}

function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isLeftOut(name)))
}

function isLeftOut(name: string): boolean {
  return name.startsWith('CLUSTER_') || ['DATABASE_URL', 'NODE_OPTIONS'].includes(name)
}

/** Two levels up in the sources, one more in the package. */
function binaryFile(): string {
  const beside = fileURLToPath(new URL('../../bin/cluster-worker.js', import.meta.url))
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL('../../../bin/cluster-worker.js', import.meta.url))
}

async function find(cluster: Cluster, nodeId: string): Promise<NodeStatus | undefined> {
  return (await cluster.nodes()).find(({ node }) => node === nodeId)
}

async function incarnationOf(cluster: Cluster, nodeId: string): Promise<string | undefined> {
  return (await find(cluster, nodeId))?.incarnation
}

async function waitUntil(holds: () => Promise<boolean>, complaint: () => string): Promise<void> {
  const startedAt = monotonic()
  while (!(await holds())) {
    if (monotonic() - startedAt > longestChangeMs)
      throw new ClusterError('CW_WAIT_TIMEOUT', `${complaint()} (waited ${longestChangeMs} ms)`)
    await delay(25)
  }
}
