import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from '../base/clock.ts'
import { Loop, type NextPass } from '../base/loop.ts'
import { jitter } from '../base/random.ts'
import { findCancelRequests } from '../db/cancel.ts'
import { claim, readBackClaim, type Claimed } from '../db/claim.ts'
import type { Database } from '../db/database.ts'
import type { Finish } from '../db/finish.ts'
import { declareLost, findSilent, leave } from '../db/incarnations.ts'
import { promote } from '../db/promote.ts'
import { wakeChannel } from '../db/wake.ts'
import { ClusterError } from '../errors.ts'
import type { Guardian } from '../guardian/start-guardian.ts'
import { Runner } from '../run/runner.ts'
import type { Process } from '../step/define-process.ts'
import { PipeSupply } from '../step/pipe-supply.ts'
import { Claimer } from './claimer.ts'
import { Listener } from './listener.ts'
import { openRunWriters } from './run-writers.ts'
import { Watcher } from './watcher.ts'
import { Witness } from './witness.ts'

export interface ServerSetup {
  readonly db: Database
  readonly node: string
  readonly version: string
  readonly host: string
  /** The processes that this server knows, by their lanes. */
  readonly processes: ReadonlyMap<number, Process>
  readonly concurrency: number
  readonly pollMs: number
  /** How much a poll's pause varies, as a part of it. */
  readonly pollJitter: number
  readonly listen: boolean
  readonly lostAfterMs: number
  readonly killGraceMs: number
  readonly outputLimit: number
  readonly environment: Readonly<Record<string, string>>
  readonly dataFolder: string
  /** None where there cannot be one, or shall not. */
  readonly startGuardian:
    | ((onUnguarded: (reason: ClusterError) => void) => Promise<Guardian>)
    | undefined
  readonly events: ServerEvents
}

/** What a server tells whoever started it. */
export interface ServerEvents {
  started(about: { node: string; incarnation: string }): void
  claimed(requests: readonly Claimed[]): void
  finished(id: string, outcome: Finish['outcome']): void
  /** Another server was declared lost. */
  declaredLost(lost: { node: string; incarnation: string; failed: string[] }): void
  /** This server can no longer prove that it is alive; it has stopped its work. */
  fenced(reason: ClusterError): void
  readonly trouble: (error: unknown, where: string) => void
}

/** All that one node does as long as it lives: it claims, runs, promotes, cancels, and watches the others. */
export class Server {
  readonly #options: ServerSetup
  readonly #witness: Witness
  readonly #guardian: Guardian | undefined
  readonly #pipes: PipeSupply
  readonly #runner: Runner
  readonly #loops: Record<'claim' | 'promote' | 'cancel' | 'watch' | 'listen', Loop>
  readonly #listener: Listener
  readonly #writing = new AbortController()
  #fenced: ClusterError | undefined

  /**
   * Begins a new incarnation of the node and starts its loops.
   * @throws {ClusterError} CW_NODE_ID_TAKEN
   */
  static async start(options: ServerSetup): Promise<Server> {
    // What is declared below is used by the witness and the guardian only once they run.
    let server: Server | undefined
    const { db, node, version, host, concurrency, lostAfterMs, events } = options
    const onLost = (reason: ClusterError): void => server?.fence(reason)
    const guardian = await options.startGuardian?.(onLost)
    const witness = await Witness.begin({
      db,
      about: { node, version, host, pid: process.pid, concurrency },
      lostAfterMs,
      onLost,
      onProven: forMs => guardian?.prove(forMs),
      onError: events.trouble,
    }).catch((error: unknown) => {
      guardian?.abandon()
      throw error
    })
    server = new Server(options, witness, guardian)
    await guardian?.charge(witness.incarnation).catch(async (error: unknown) => {
      await server?.leave()
      throw error
    })
    for (const loop of Object.values(server.#loops)) loop.start()
    events.started({ node, incarnation: witness.incarnation })
    return server
  }

  private constructor(options: ServerSetup, witness: Witness, guardian: Guardian | undefined) {
    this.#options = options
    this.#witness = witness
    this.#guardian = guardian
    this.#pipes = new PipeSupply({ onFailure: error => options.events.trouble(error, 'pipes') })
    this.#runner = this.#makeRunner()
    this.#listener = this.#makeListener()
    this.#loops = this.#makeLoops()
  }

  get incarnation(): string {
    return this.#witness.incarnation
  }

  get activeCount(): number {
    return this.#runner.activeCount
  }

  /** Looks for work at once. */
  wake(): void {
    this.#loops.claim.wake()
  }

  /** Claims nothing more; resolves when no claim is under way. */
  async stopClaiming(): Promise<void> {
    await this.#loops.claim.stop()
  }

  /** Resolves when all that was claimed has finished, or after so many milliseconds. */
  async drain(limitMs?: number): Promise<void> {
    const drained = this.#runner.drain()
    if (limitMs === undefined) return drained
    const limit = new AbortController()
    const late = delay(limitMs, undefined, { signal: limit.signal }).catch(() => undefined)
    await Promise.race([drained, late])
    limit.abort()
  }

  /** Ends the steps that run; undo and on-failure steps still run. */
  stopRuns(): void {
    this.#runner.stopAll(
      new ClusterError(
        'CW_STOPPED',
        `the server ${this.#options.node} was stopped before the step ended`,
      ),
    )
  }

  /** Ends the incarnation, after `stopClaiming` and `drain`. */
  async leave(): Promise<void> {
    await Promise.all(Object.values(this.#loops).map(loop => loop.stop()))
    const hasLeft = !this.#fenced && (await this.#endIncarnation())
    if (hasLeft) await this.#guardian?.leave()
    else this.#guardian?.abandon()
    await this.#pipes.close()
    this.#writing.abort()
    await this.#listener.close()
    await this.#witness.end()
  }

  /** Stops all work at once, because this server may no longer act. */
  fence(reason: ClusterError): void {
    if (this.#fenced) return
    this.#fenced = reason
    this.#writing.abort(reason)
    this.#runner.abandonAll(reason)
    void this.#tellFenced(reason)
  }

  async #tellFenced(reason: ClusterError): Promise<void> {
    await this.#runner.drain()
    this.#guardian?.abandon()
    this.#options.events.fenced(reason)
  }

  async #endIncarnation(): Promise<boolean> {
    try {
      return await leave(this.#options.db, this.incarnation)
    } catch (error) {
      this.#options.events.trouble(error, 'leave')
      return false
    }
  }

  #makeRunner(): Runner {
    const { db, node, concurrency, killGraceMs, outputLimit, environment, dataFolder, events } =
      this.#options
    const writers = openRunWriters({
      db,
      incarnation: this.incarnation,
      signal: this.#writing.signal,
      onFinished: ids => this.#guardian?.release(ids),
    })
    return new Runner({
      node,
      concurrency,
      killGraceMs,
      outputLimit,
      pipes: this.#pipes,
      environment: { ...environment, ...this.#guardian?.environment },
      runsFolder: join(dataFolder, 'runs'),
      writeStep: writers.writeStep,
      appendLog: writers.appendLog,
      finish: async run => {
        const ours = await writers.finish(run)
        if (ours) events.finished(run.id, run.outcome)
        return ours
      },
      onSlotFree: () => this.#loops.claim.wake(),
      onTrouble: (error, requestId) => events.trouble(error, `request ${requestId}`),
    })
  }

  #makeListener(): Listener {
    const { db, node } = this.#options
    return new Listener({
      connect: () => db.connectAlone({ application_name: `cluster-worker listener ${node}` }),
      channel: wakeChannel(db),
      onHint: hint => this.#loops[hint === 'cancel' ? 'cancel' : 'claim'].wake(),
    })
  }

  #makeLoops() {
    const { db, listen, pollMs, lostAfterMs, events } = this.#options
    const claimer = this.#makeClaimer()
    const watcher = new Watcher({
      lostAfterMs,
      clock: monotonic,
      findSilent: () => findSilent(db),
      declareLost: incarnation => declareLost(db, incarnation, this.#options.node),
      onLost: lost => events.declaredLost(lost),
      onError: error => events.trouble(error, 'watch'),
    })
    const loop = (name: string, pass: () => Promise<NextPass>): Loop =>
      new Loop({ name, pass, onError: events.trouble })
    return {
      claim: loop('claim', async () => (this.#fenced ? 'when woken' : claimer.pass())),
      promote: loop('promote', async () => {
        const { moved, isFull, nextInMs } = await promote(db)
        if (moved > 0) this.#loops.claim.wake()
        if (isFull) return 0
        return Math.min(this.#pause(), nextInMs ?? pollMs)
      }),
      cancel: loop('cancel', async () => {
        if (this.#runner.activeCount > 0)
          for (const id of await findCancelRequests(db, this.incarnation)) this.#runner.cancel(id)
        return this.#pause()
      }),
      watch: loop('watch', () => watcher.pass()),
      listen: loop('listen', async () => (listen ? this.#listener.pass() : 'when woken')),
    }
  }

  #makeClaimer(): Claimer {
    const { db, processes, events } = this.#options
    const lanes = [...processes.keys()]
    return new Claimer({
      clock: monotonic,
      freeSlots: () => this.#runner.freeSlots,
      claim: async (limit, token) => {
        const claimed = await this.#cover(
          await claim(db, { incarnation: this.incarnation, lanes, limit, token }),
        )
        if (claimed.length > 0) events.claimed(claimed)
        return claimed
      },
      readBack: async token => this.#cover(await readBackClaim(db, this.incarnation, token)),
      start: ({ id, lane, input }, token) =>
        this.#runner.start({ id, input, process: processes.get(lane) as Process }, token),
      pause: () => this.#pause(),
    })
  }

  /** The guardian knows of all requests that have commands before they start. */
  async #cover(claimed: Claimed[]): Promise<Claimed[]> {
    const { processes } = this.#options
    const ids = claimed.filter(({ lane }) => hasCommands(processes.get(lane))).map(({ id }) => id)
    if (ids.length > 0) await this.#guardian?.cover(ids)
    return claimed
  }

  #pause(): number {
    return jitter(this.#options.pollMs, this.#options.pollJitter)
  }
}

function hasCommands(process: Process | undefined): boolean {
  return process?.steps.concat(process.onFailure).some(step => step.kind === 'command') ?? false
}
