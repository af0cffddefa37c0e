import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { Cluster } from '../../lib/index.ts'
import { seeded } from '../support/seeded.ts'
import { faults, type Fault } from './death-faults.ts'
import { launchServer, readLog } from './launch-server.ts'
import { findMarked, isAlive } from './marked.ts'

export interface DeathOptions {
  readonly url: string
  /** How many servers die, each with so many commands; the faults take turns. */
  readonly servers: number
  readonly commands: number
  readonly faults: readonly Fault[]
  readonly lostAfter: string
  /** The same seed gives the same commands and the same moments. */
  readonly seed: number
}

/** One server that died. The times are milliseconds from the fault on. */
export interface Death {
  readonly fault: Fault
  readonly runs: number
  /** How many processes the commands had. */
  readonly processes: number
  /** When the last process of the commands was gone. */
  readonly goneMs: number
  /** When the database said to us that all of its runs had failed. */
  readonly failedMs: number
  /** How many processes were seen alive at or after the moment that the row gives; must be 0. */
  readonly aliveAtRow: number
}

/** What a command may do to outlive its server. Each starts so many processes that run on. */
const commandShapes = {
  plain: { shell: 'exec sleep 1000', processes: 1 },
  deaf: { shell: 'trap "" TERM HUP INT; sleep 1000 & wait; sleep 1000', processes: 2 },
  session: { shell: 'setsid sleep 1000 & wait', processes: 2 },
  doubleFork: {
    shell: '(setsid nohup sleep 1000 >/dev/null 2>&1 &) ; exec sleep 1000',
    processes: 2,
  },
  cleared: { shell: 'env -i setsid tail -f /dev/null MARK 2>/dev/null & wait', processes: 2 },
}

type Shape = keyof typeof commandShapes

/**
 * Starts servers, one after the other, lets each run commands that hide as well as they can, makes it die, and
 * compares when each process was last seen alive with the time in the row that says `server_lost`. (Everything is on
 * one machine, so there is one clock for both.) Another server watches, as everywhere.
 */
export async function runDeathCampaign(options: DeathOptions): Promise<Death[]> {
  const { url, servers, lostAfter } = options
  const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-death-'))
  const client = new Client({ connectionString: url })
  const watcher = new Cluster({
    connectionString: url,
    nodeId: 'watcher',
    dataDir: join(folder, 'watcher'),
    lostAfter,
    guardian: false,
    retention: 'forever',
  })
  const random = seeded(options.seed)
  const deaths: Death[] = []
  try {
    await client.connect()
    await watcher.start()
    for (let round = 0; round < servers; round++) {
      const fault = options.faults[round % options.faults.length] as Fault
      for (let tries = 0, death: Death | undefined; !death; tries++) {
        const nodeId = `n${round}-${tries}`
        death = await dieOnce({ options, client, watcher, folder, random, nodeId, fault })
        if (death) deaths.push(death)
      }
    }
  } finally {
    await watcher.stop()
    await client.end()
    await rm(folder, { recursive: true, force: true })
  }
  return deaths
}

interface Round {
  readonly options: DeathOptions
  readonly client: Client
  readonly watcher: Cluster
  readonly folder: string
  readonly random: () => number
  readonly nodeId: string
  readonly fault: Fault
}

/** @returns undefined when the machine was so busy that the server gave up by itself before the fault */
async function dieOnce(round: Round): Promise<Death | undefined> {
  const { options, client, watcher, random, nodeId, fault } = round
  const server = startVictim(round)
  try {
    const guardians = await server.ready
    const shapes = Array.from({ length: options.commands }, () => pick(random))
    const requests = shapes.map(shape => ({ process: `${shape}-${nodeId}` }))
    const ids = (await watcher.enqueueMany(requests)).map(({ id }) => id)
    const expected = shapes.reduce((sum, shape) => sum + commandShapes[shape].processes, 0)
    // While they start, there may be more of them.
    while (server.isAlive() && server.findCommands().length !== expected) await delay(10)
    // The fault comes at any moment of the server's own rhythm.
    await delay(random() * 300)
    const processes = server.findCommands()
    if (!guardians || !server.isAlive() || processes.length !== expected) return undefined
    const faultAt = performance.now()
    faults[fault](server.pid, guardians)
    const end = await watchDeath(client, ids, processes)
    return {
      fault,
      runs: ids.length,
      processes: processes.length,
      goneMs: end.goneAt - faultAt,
      failedMs: end.failedAt - faultAt,
      aliveAtRow: end.aliveAtRow + server.findCommands().length,
    }
  } finally {
    await server.clean()
  }
}

function startVictim({ options, folder, nodeId }: Round) {
  const mark = randomUUID()
  const shells = Object.entries(commandShapes).map(([name, { shell }]) => [
    `${name}-${nodeId}`,
    [shell.replace('MARK', mark)],
  ])
  const child = launchServer(
    {
      connectionString: options.url,
      nodeId,
      dataDir: join(folder, nodeId),
      lostAfter: options.lostAfter,
      concurrency: options.commands,
      passEnv: ['MARK'],
      retention: 'forever',
      shells: Object.fromEntries(shells),
    },
    mark,
  )
  const { pid = 0 } = child
  const exited = once(child, 'exit')
  const guardians: number[] = []
  const findCommands = (): number[] => findMarked(mark).filter(found => found !== pid)
  return {
    pid,
    findCommands,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    /** Resolves with the guardians when it claims; with undefined when it ended before. */
    ready: waitForGuardians(readLog(child), guardians).catch(() => undefined),
    async clean(): Promise<void> {
      for (const left of [pid, ...guardians, ...findCommands()]) kill(left)
      await exited
    },
  }
}

async function waitForGuardians(
  waitForLine: ReturnType<typeof readLog>,
  guardians: number[],
): Promise<number[]> {
  for (let n = 0; n < 2; n++)
    guardians.push(Number((await waitForLine('a guardian watches'))['guardian']))
  await waitForLine('ready')
  return guardians
}

function pick(random: () => number): Shape {
  const names = Object.keys(commandShapes) as Shape[]
  return names[Math.floor(random() * names.length)] as Shape
}

/** Looks at the processes and at the rows, both without a pause, until both have ended. */
async function watchDeath(client: Client, ids: readonly string[], processes: readonly number[]) {
  const lastAlive = new Map<number, number>()
  const row: { at?: number; seenAt: number } = { seenAt: 0 }
  let alive = processes
  let goneAt = Infinity
  const looking = (async () => {
    // They are looked at once more after the row was seen.
    for (let isLast = false; !isLast;) {
      isLast = row.at !== undefined
      const startedAt = performance.now()
      alive = alive.filter(isAlive)
      for (const pid of alive) lastAlive.set(pid, startedAt)
      if (alive.length === 0) goneAt = Math.min(goneAt, performance.now())
      await delay(1)
    }
  })()
  while (row.at === undefined) {
    const { rows } = await client.query<{ count: number; first: string | null }>(
      `select count(*)::integer as count, extract(epoch from min(finished_at)) * 1000 as first
       from cluster_worker.finished where id = any ($1::bigint[]) and reason = 'server_lost'`,
      [ids],
    )
    row.seenAt = performance.now()
    if (rows[0]?.count === ids.length) row.at = Number(rows[0].first) - performance.timeOrigin
    else await delay(1)
  }
  await looking
  const rowAt = row.at
  const sinceRow = [...lastAlive.values()].filter(at => at >= rowAt)
  return { goneAt, failedAt: row.seenAt, aliveAtRow: sinceRow.length }
}

function kill(pid: number): void {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL')
}
