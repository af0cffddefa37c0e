import { fork, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { WorkOrder } from './contender.ts'
import type { LedgerReport } from './ledger.ts'
import type { FromWorker, ToWorker } from './worker.ts'

/** How long a worker may take to stop, in milliseconds, before it is killed. */
const stopMs = 10_000

/** A worker process, from its parent's side. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #messages = new EventEmitter()
  readonly #gone: Promise<never>
  started = 0

  /** Starts the process and waits until it has loaded its contender; it works after `start`. */
  static async spawn(order: WorkOrder): Promise<WorkerProcess> {
    const worker = new WorkerProcess(order)
    await worker.#next('ready')
    return worker
  }

  private constructor(order: WorkOrder) {
    const program = fileURLToPath(new URL('worker.ts', import.meta.url))
    this.#child = fork(program, [JSON.stringify(order)], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Those of the peers' own code would hide the figures.
      execArgv: ['--disable-warning=DeprecationWarning'],
    })
    this.#child.on('message', (message: FromWorker) => {
      if (message.is === 'progress') this.started = message.started
      else this.#messages.emit(message.is, message)
    })
    this.#gone = once(this.#child, 'exit').then(([code, signal]) => {
      throw new Error(`a worker of ${order.contender} ended by itself (${code ?? signal})`)
    })
    this.#gone.catch(() => undefined)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Rejects when the process ends before it is asked to. */
  get gone(): Promise<never> {
    return this.#gone
  }

  async start(): Promise<void> {
    await this.#ask('start', 'working')
  }

  async report(): Promise<LedgerReport> {
    return (await this.#ask('report', 'ledger')) as LedgerReport
  }

  /** How many bytes of its heap are in use after everything was collected that could be. */
  async measureHeap(): Promise<number> {
    return ((await this.#ask('heap', 'heap')) as { bytes: number }).bytes
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMs)
    this.#send({ do: 'stop' })
    await exit
    clearTimeout(timer)
  }

  async #ask(what: ToWorker['do'], answer: FromWorker['is']): Promise<unknown> {
    const coming = this.#next(answer)
    this.#send({ do: what })
    return coming
  }

  async #next(is: FromWorker['is']): Promise<unknown> {
    const [message] = (await Promise.race([once(this.#messages, is), this.#gone])) as [unknown]
    return message
  }

  #send(message: ToWorker): void {
    this.#child.send(message)
  }
}
