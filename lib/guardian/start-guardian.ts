import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from '../base/clock.ts'
import { jitter } from '../base/random.ts'
import type { ConnectionSettings } from '../db/connection-settings.ts'
import { ClusterError } from '../errors.ts'
import type { Charge, Message, ServerProcess } from './message.ts'
import { spawnGuardian, type GuardianProcess } from './spawn-guardian.ts'

export interface GuardianOptions {
  readonly node: string
  readonly schema: string
  readonly connection: ConnectionSettings
  /** What is watched: the server's own process, and what all its commands are recognised by. */
  readonly server: ServerProcess
  readonly cookie: string
  /** A guardian watches now, the first one or one that replaces it. */
  readonly onWatching: (pid: number | undefined, isFirst: boolean) => void
  /** A guardian ended that should not have, or a new one could not be started. */
  readonly onEnded: (error: unknown) => void
  /** Called once, when nobody has watched for longer than the last proof held. */
  readonly onUnguarded: (reason: ClusterError) => void
}

/** The pauses between the tries to start a new guardian, in milliseconds. */
const backoff = { first: 50, longest: 1000 }

/** A guardian that has left so many proofs in a row unanswered is frozen. */
const mostUnanswered = 4

/** How long one may take to begin its watch, in milliseconds; it is killed then, and another tried. */
const longestStartMs = 10_000

/** How long a guardian may take to end that was told to, in milliseconds. */
const farewellMs = 2000

/** One guardian as its server sees it: always one process that watches, replaced when it ends. */
export class Guardian {
  readonly #options: GuardianOptions
  readonly #running = new Set<string>()
  #process: GuardianProcess
  #incarnation = ''
  #watching: Promise<void> = Promise.resolve()
  #provenUntil = 0
  #isCharged = false
  #unanswered = 0
  #isOver = false

  /**
   * Starts the process, so that it is ready when there is an incarnation to watch.
   * @throws {ClusterError} CW_GUARDIAN
   */
  static async start(options: GuardianOptions): Promise<Guardian> {
    return new Guardian(options, await spawnGuardian(options.node))
  }

  private constructor(options: GuardianOptions, started: GuardianProcess) {
    this.#options = options
    this.#process = started
  }

  /**
   * Resolves when the guardian watches the incarnation.
   * @throws {ClusterError} CW_GUARDIAN
   */
  async charge(incarnation: string): Promise<void> {
    this.#incarnation = incarnation
    await this.#charge(this.#process)
    this.#options.onWatching(this.#process.pid, true)
    void this.#replaceEnded()
  }

  /** The server has proved that it is alive, which holds for so many milliseconds. */
  prove(forMs: number): void {
    this.#provenUntil = monotonic() + forMs
    if (this.#incarnation === '' || this.#isOver) return
    if (this.#isCharged && ++this.#unanswered > mostUnanswered) this.#process.kill()
    this.#tell({ aliveUntil: this.#provenUntil })
  }

  /** Resolves when the processes of these requests, which are about to run, will be stopped if the server dies. */
  async cover(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#running.add(id)
    await this.#watching
    const guardian = this.#process
    // If this one has ended, the next one is told with its charge.
    await guardian.tell({ started: ids }).catch(() => guardian.ended.then(() => this.#watching))
  }

  /** These requests have finished: what they left running on purpose goes on. */
  release(ids: readonly string[]): void {
    const finished = ids.filter(id => this.#running.delete(id))
    if (finished.length > 0) this.#tell({ finished })
  }

  /** The incarnation has been ended in good order: resolves when the guardian has ended, too. */
  async leave(): Promise<void> {
    this.#isOver = true
    this.#tell({ leave: true })
    const timer = setTimeout(() => this.#process.kill(), farewellMs)
    this.#process.letGo()
    await this.#process.ended
    clearTimeout(timer)
  }

  /** The server has stopped its work and cannot tell the database so: the guardian does it, without us. */
  abandon(): void {
    this.#isOver = true
    this.#process.letGo()
  }

  /** Lost messages need no care: a guardian that did not get one has ended, and the next is charged anew. */
  #tell(message: Message): void {
    this.#process.tell(message).catch(() => undefined)
  }

  async #charge(guardian: GuardianProcess): Promise<void> {
    const { promise: acknowledged, resolve } = Promise.withResolvers<void>()
    guardian.onAcknowledged(() => {
      this.#unanswered = 0
      resolve()
    })
    guardian.tell(this.#writeCharge()).catch(() => undefined)
    const limit = setTimeout(() => guardian.kill(), longestStartMs)
    const how = await Promise.race([acknowledged, guardian.ended])
    clearTimeout(limit)
    if (typeof how === 'string') throw new ClusterError('CW_GUARDIAN', `the guardian ${how}`)
    this.#isCharged = true
  }

  #writeCharge(): Charge {
    const { schema, connection, server, cookie } = this.#options
    return {
      incarnation: this.#incarnation,
      schema,
      connection,
      cookie,
      server,
      running: [...this.#running],
      aliveUntil: this.#provenUntil,
    }
  }

  async #replaceEnded(): Promise<void> {
    for (;;) {
      const how = await this.#process.ended
      if (this.#isOver) return
      this.#isCharged = false
      const ended = new ClusterError('CW_GUARDIAN', `the guardian ${how}; a new one is started`)
      this.#watching = this.#startAnother(ended)
      await this.#watching
    }
  }

  async #startAnother(ended: ClusterError): Promise<void> {
    const { node, onWatching, onEnded, onUnguarded } = this.#options
    const limit = setTimeout(() => onUnguarded(unguarded(ended)), this.#provenUntil - monotonic())
    onEnded(ended)
    for (let failures = 0; !this.#isOver; failures++) {
      try {
        this.#process = await spawnGuardian(node)
        await this.#charge(this.#process)
        onWatching(this.#process.pid, false)
        break
      } catch (error) {
        onEnded(error)
        await delay(jitter(Math.min(backoff.first * 2 ** failures, backoff.longest), 0.5))
      }
    }
    clearTimeout(limit)
    if (this.#isOver) this.#process.letGo()
  }
}

function unguarded(cause: ClusterError): ClusterError {
  return new ClusterError(
    'CW_NODE_LOST',
    'no new guardian could be started for this server in time, so it stopped its work: nobody would stop it if the server died now',
    { cause },
  )
}
