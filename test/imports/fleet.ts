import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The servers' processes. */
export class Fleet {
  /** When each process that has ended did, by its pid. */
  readonly killedAt = new Map<number, number>()
  readonly #launch: (name: string) => ChildProcess
  readonly #children = new Map<string, ChildProcess>()
  readonly names: readonly string[]

  constructor(
    { url, servers }: { url: string; servers: number },
    folder: string,
    { ledger, shelf, store }: { ledger: string; shelf: string; store: string },
  ) {
    const program = fileURLToPath(new URL('server.ts', import.meta.url))
    this.names = Array.from({ length: servers }, (_, n) => `s${n + 1}`)
    this.#launch = name =>
      spawn(process.execPath, [program, url, name, ledger, shelf, store, join(folder, name)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
  }

  async start(): Promise<void> {
    await Promise.all(this.names.map(name => this.restart(name)))
  }

  /** A server that cannot start, because its predecessor's locks are still held, tries again. */
  async restart(name: string): Promise<void> {
    for (;;) {
      const child = this.#launch(name)
      this.#children.set(name, child)
      // However it ends: also by itself, when it was declared lost.
      child.once('exit', () => this.killedAt.set(child.pid as number, nowMs()))
      const isReady = await Promise.race([
        once(child.stdout as NodeJS.ReadableStream, 'data').then(() => true),
        once(child, 'exit').then(() => false),
      ])
      if (isReady) return
    }
  }

  async kill(name: string): Promise<void> {
    const child = this.#children.get(name) as ChildProcess
    if (!isAlive(child)) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Starts those again that have left by themselves. */
  async revive(): Promise<void> {
    for (const [name, child] of this.#children) if (!isAlive(child)) await this.restart(name)
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.#children.values()].filter(isAlive).map(async child => {
        const gone = once(child, 'exit')
        child.kill('SIGTERM')
        await gone
      }),
    )
  }
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** By the clock of the ledger, in milliseconds. */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
