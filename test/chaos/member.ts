import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Cable } from './cable.ts'
import { ledgerClock } from './ledger.ts'
import type { ChaosProxy } from './proxy/chaos-proxy.ts'
import type { ServerCommand, ServerOrder } from './server.ts'

/** One process of a server, from its start to its end. */
export interface Life {
  readonly node: string
  readonly pid: number
  /** Once it has started. */
  incarnation: string | undefined
  /** Those that it has told of, the newest last. */
  readonly guardians: number[]
  /** By the ledger's clock. */
  endedMs: number | undefined
  /** When a fault killed it, by the ledger's clock. */
  killedMs: number | undefined
  /** Why it stopped its work itself. */
  fenced: string | undefined
  readonly ended: Promise<void>
}

export interface MemberOptions {
  readonly order: Omit<ServerOrder, 'aheadMs'>
  readonly proxy: ChaosProxy
  /** What leads to its network, when it has one of its own. */
  readonly cable: Cable | undefined
  /** Where what it logs goes. */
  readonly logFile: string
  /** How far its wall clock is ahead, in milliseconds; asked anew at each start. */
  readonly aheadMs: () => number
  /** Told of each line that it logs. */
  readonly onLine: (message: string, about: Readonly<Record<string, unknown>>) => void
}

/** How long a service manager waits before it starts a server again, in milliseconds. */
const restartMs = 200

/** One server of the cluster, started again whenever it ends, as a service manager does. */
export class Member {
  readonly name: string
  readonly proxy: ChaosProxy
  readonly cable: Cable | undefined
  readonly lives: Life[] = []
  readonly #options: MemberOptions
  readonly #log: WriteStream
  #child: ChildProcess | undefined
  #isStopping = false
  readonly #living: Promise<void>

  constructor(options: MemberOptions) {
    this.name = options.order.nodeId ?? ''
    this.proxy = options.proxy
    this.cable = options.cable
    this.#options = options
    this.#log = createWriteStream(options.logFile, { flags: 'a' })
    this.#living = this.#liveOn()
  }

  /** The process that claims at the moment, if one does. */
  get life(): Life | undefined {
    const life = this.lives.at(-1)
    return life?.incarnation !== undefined && life.endedMs === undefined ? life : undefined
  }

  signal(signal: NodeJS.Signals): void {
    const life = this.lives.at(-1)
    if (signal === 'SIGKILL' && life) life.killedMs ??= ledgerClock()
    this.#child?.kill(signal)
  }

  /**
   * Signals the guardian that this server told us of last, or the one with this id.
   * @returns its process id, if it was there
   */
  signalGuardian(
    signal: NodeJS.Signals,
    pid = this.lives.at(-1)?.guardians.at(-1),
  ): number | undefined {
    if (pid === undefined || !isGuardianOf(pid, this.name)) return undefined
    process.kill(pid, signal)
    return pid
  }

  tell(command: ServerCommand): void {
    this.#child?.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  /** Lets it drain and leave. @returns whether it has ended in time; else it is killed */
  async stop(limitMs: number): Promise<boolean> {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.#child?.kill('SIGKILL')
    }, limitMs)
    this.#isStopping = true
    this.#child?.kill('SIGTERM')
    await this.#living
    clearTimeout(timer)
    return !isLate
  }

  /** Ends it at once, and its guardian. */
  async destroy(): Promise<void> {
    this.#isStopping = true
    for (const pid of this.lives.at(-1)?.guardians ?? []) this.signalGuardian('SIGKILL', pid)
    this.#child?.kill('SIGCONT')
    this.#child?.kill('SIGKILL')
    await this.#living
    this.#log.end()
  }

  async #liveOn(): Promise<void> {
    while (!this.#isStopping) {
      await this.#live()
      if (!this.#isStopping) await new Promise(resolve => setTimeout(resolve, restartMs))
    }
  }

  async #live(): Promise<void> {
    const order: ServerOrder = { ...this.#options.order, aheadMs: this.#options.aheadMs() }
    const program = fileURLToPath(new URL('server.ts', import.meta.url))
    const { PATH = '', HOME = '', TMPDIR = '', NODE_COMPILE_CACHE } = process.env
    // A group of its own: a guardian ends its server with the whole group.
    const words = [process.execPath, program, JSON.stringify(order)]
    const [file = '', ...args] = [...(this.cable?.inside ?? []), ...words]
    const child = spawn(file, args, {
      detached: true,
      stdio: 'pipe',
      env: { PATH, HOME, TMPDIR, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }) },
    })
    this.#child = child
    const ended = once(child, 'exit')
    const life: Life = {
      node: this.name,
      pid: child.pid ?? 0,
      incarnation: undefined,
      guardians: [],
      endedMs: undefined,
      killedMs: undefined,
      fenced: undefined,
      ended: ended.then(() => undefined),
    }
    this.lives.push(life)
    child.stdin?.on('error', () => undefined)
    this.#read(child, life)
    const [code, signal] = await ended
    life.endedMs = ledgerClock()
    this.#log.write(`${life.endedMs} ended: ${JSON.stringify({ code, signal, pid: life.pid })}\n`)
  }

  #read(child: ChildProcess, life: Life): void {
    const { stdout, stderr } = child as { stdout: Readable; stderr: Readable }
    stderr.pipe(this.#log, { end: false })
    createInterface({ input: stdout }).on('line', line => {
      this.#log.write(`${ledgerClock()} ${line}\n`)
      if (line.startsWith('{')) this.#hear(JSON.parse(line) as Record<string, unknown>, life)
    })
  }

  #hear(about: Readonly<Record<string, unknown>>, life: Life): void {
    const message = String(about['msg'])
    if (message === 'server started') life.incarnation = String(about['incarnation'])
    if (message === 'a guardian watches') life.guardians.push(Number(about['guardian']))
    if (about['code'] === 'CW_NODE_LOST') life.fenced = message
    this.#options.onLine(message, about)
  }
}

/** Process ids are used again: only a guardian that names this node is meant. */
function isGuardianOf(pid: number, node: string): boolean {
  try {
    const title = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return title.replaceAll('\0', '').trim() === `guardian of ${node}`
  } catch {
    return false
  }
}
