import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { withAddress, type Address } from '../support/protocol.ts'
import { Cable } from './cable.ts'
import type { Databases } from './databases.ts'
import type { Dice } from './dice.ts'
import type { SuspensionSample } from './evidence.ts'
import type { World } from './fault/fault.ts'
import type { History } from './history.ts'
import { ledgerClock } from './ledger.ts'
import { isRunning, listRunProcesses, type ProcessName } from './live-processes.ts'
import type { Measurements } from './measurements.ts'
import { Member, type Life } from './member.ts'
import { ChaosProxy } from './proxy/chaos-proxy.ts'
import { fairWeather, type Cut } from './proxy/weather.ts'

const execute = promisify(execFile)

export interface FleetOptions {
  readonly databases: Databases
  readonly servers: number
  readonly folder: string
  readonly ledgerFile: string
  readonly lostAfterMs: number
  readonly outageGraceMs: number
  readonly canMount: boolean
  /** Whether each server gets a network of its own, at the end of a cable. */
  readonly canWire: boolean
  /** Whether the servers know both hosts and find the primary; else their network leads them to it. */
  readonly namesBothHosts: boolean
  readonly dice: Dice
  readonly onProbe: (name: string) => void
  readonly measurements: Measurements
}

/** How long the end of the commands and the return of the claims are watched, in milliseconds. */
const longestWatchMs = 20_000

/** How long a server that runs nothing may take to leave, in milliseconds. */
const longestLeaveMs = 20_000

/** The servers, each with its guardian, behind a proxy of its own. */
export class Fleet implements World {
  readonly members: readonly Member[]
  readonly suspensions: SuspensionSample[] = []
  readonly databases: Databases
  readonly workloadProxy: ChaosProxy
  readonly hasSmallDisks: boolean
  readonly #options: FleetOptions

  private constructor(
    options: FleetOptions,
    ways: readonly { proxy: ChaosProxy; cable: Cable | undefined }[],
    workloadProxy: ChaosProxy,
  ) {
    this.#options = options
    this.databases = options.databases
    this.workloadProxy = workloadProxy
    this.hasSmallDisks = options.canMount
    this.members = ways.map(({ proxy, cable }, index) =>
      this.#startMember(`s${index + 1}`, proxy, cable),
    )
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const { servers, databases, canMount, canWire, folder, onProbe } = options
    const targets: (() => Address)[] = options.namesBothHosts
      ? databases.addresses.map(address => () => address)
      : [() => databases.address]
    const startProxy = (host?: string): Promise<ChaosProxy> =>
      ChaosProxy.start(targets, cut => onProbe(describeCut(cut)), host)
    const ways: { proxy: ChaosProxy; cable: Cable | undefined }[] = []
    for (let number = 1; number <= servers; number++) {
      const cable = canWire ? await Cable.lay(number) : undefined
      ways.push({ cable, proxy: await startProxy(cable?.host) })
      const data = join(folder, `s${number}`)
      await mkdir(data, { recursive: true })
      if (canMount) await execute('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', data])
    }
    return new Fleet(options, ways, await startProxy())
  }

  get lives(): Life[] {
    return this.members.flatMap(({ lives }) => lives)
  }

  get workloadUrl(): string {
    return this.#urlBehind(this.workloadProxy)
  }

  onProbe(name: string): void {
    this.#options.onProbe(name)
  }

  noteSuspension(sample: SuspensionSample): void {
    this.suspensions.push(sample)
  }

  dataFolderOf(node: string): string {
    return join(this.#options.folder, node)
  }

  listCommands(node: string): ProcessName[] {
    return listRunProcesses(this.#options.ledgerFile).filter(found => found.node === node)
  }

  /** Resolves when all servers claim. */
  async untilReady(signal: AbortSignal): Promise<void> {
    while (this.members.some(({ life }) => !life)) {
      signal.throwIfAborted()
      await delay(50)
    }
  }

  /** Ends all bad weather. */
  heal(): void {
    for (const { proxy } of [...this.members, { proxy: this.workloadProxy }])
      proxy.setWeather(fairWeather)
  }

  async watchGone(commands: readonly ProcessName[]): Promise<void> {
    if (commands.length === 0) return
    const since = performance.now()
    let left = commands
    while (left.length > 0 && performance.now() - since < longestWatchMs) {
      await delay(5)
      left = left.filter(isRunning)
    }
    this.#options.measurements.add('commandsGone', performance.now() - since)
  }

  async watchReturn(member: Member, before: Life | undefined): Promise<void> {
    const since = performance.now()
    while (performance.now() - since < longestWatchMs) {
      await delay(5)
      if (!member.life || member.life === before) continue
      this.#options.measurements.add('serverReturns', performance.now() - since)
      return
    }
  }

  /** Enqueues something, so that there is something to claim. */
  async watchResume(): Promise<void> {
    const client = new Client({ connectionString: this.databases.url, query_timeout: 5000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      const since = performance.now()
      const lastClaim = 'select coalesce(max(seq), 0)::integer as seq from chaos.claim'
      const ask = async (): Promise<number> =>
        (await client.query<{ seq: number }>(lastClaim)).rows[0]?.seq ?? 0
      const before = await ask()
      // A new primary that waits for no standby yet, or one that does: either way it is there to be claimed.
      await client.query(`set synchronous_commit = local; select cluster_worker.enqueue('quick')`)
      while ((await ask()) === before && performance.now() - since < longestWatchMs) await delay(20)
      this.#options.measurements.add('claimsResume', performance.now() - since)
    } catch {
      // The next fault came in between.
    } finally {
      void client.end().catch(() => undefined)
    }
  }

  /** Measures a loss at the moment when it is seen. */
  noteLoss(incarnation: string, history: History): { node: string; isUnguarded: boolean } {
    const cause = history.causeOf(incarnation)
    const counts = cause?.planned.fault.lossCounts
    // What waits for the database is not what is measured.
    if (cause && counts && !history.wasDatabaseAwaySince(cause.startedMs))
      this.#options.measurements.add(counts, ledgerClock() - cause.startedMs)
    const node = this.lives.find(life => life.incarnation === incarnation)?.node ?? 'unknown'
    return { node, isUnguarded: counts === 'rowFailedUnguarded' }
  }

  /** Lets all of them drain and leave. @returns those that did not, and had to be killed */
  async stop(): Promise<string[]> {
    const left = await Promise.all(this.members.map(member => member.stop(longestLeaveMs)))
    return this.members.flatMap(({ name }, index) => (left[index] ? [] : [name]))
  }

  async destroy(): Promise<void> {
    await Promise.all(this.members.map(member => member.destroy()))
    this.#killCommands()
    for (const { proxy } of [...this.members, { proxy: this.workloadProxy }]) await proxy.close()
    if (!this.hasSmallDisks) return
    for (const { name } of this.members) await execute('umount', ['-l', this.dataFolderOf(name)])
  }

  /** Those of servers that were ended together with their guardians. */
  #killCommands(): void {
    for (;;) {
      const left = listRunProcesses(this.#options.ledgerFile)
      if (left.length === 0) return
      for (const { pid } of left)
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // It has ended meanwhile.
        }
    }
  }

  #startMember(name: string, proxy: ChaosProxy, cable: Cable | undefined): Member {
    const { folder, ledgerFile, lostAfterMs, outageGraceMs, dice, onProbe } = this.#options
    return new Member({
      proxy,
      cable,
      logFile: join(folder, `${name}.log`),
      aheadMs: () => dice.between(-hourMs, hourMs),
      order: {
        connectionString: this.#urlBehind(proxy),
        nodeId: name,
        dataDir: this.dataFolderOf(name),
        ledger: ledgerFile,
        lostAfter: lostAfterMs,
        outageGrace: outageGraceMs,
        concurrency: 24,
        pollInterval: '200ms',
        killGrace: '300ms',
        retention: 'forever',
      },
      onLine: (message, about) => {
        if (about['where'] === 'claim') onProbe('a claim fails')
        if (about['where'] === 'guardian') onProbe('a guardian is replaced')
        if (about['code'] === 'CW_NODE_LOST') onProbe('a server fences itself')
        if (message.startsWith('another server was declared lost'))
          onProbe('a server declares another one lost')
      },
    })
  }

  #urlBehind(proxy: ChaosProxy): string {
    return withAddress(this.databases.url, proxy.host, ...proxy.ports)
  }
}

const hourMs = 3_600_000

function describeCut({ text, boundary }: Cut): string {
  return `a connection is cut ${boundary}: ${text}`
}
