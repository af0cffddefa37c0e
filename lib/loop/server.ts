import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from '../base/clock.ts'
import { Loop } from '../base/loop.ts'
import { renewPassword } from '../db/connection-settings.ts'
import { rememberEra } from '../db/era.ts'
import { declareSilentLost, stopAccepting } from '../db/incarnations.ts'
import { promote } from '../db/promote.ts'
import { ClusterError } from '../errors.ts'
import { Runner } from '../run/runner.ts'
import { PipeSupply } from '../step/pipe-supply.ts'
import { startWitness, type WitnessThread } from '../witness/start-witness.ts'
import type { Look } from '../witness/witness.ts'
import { ClaimLoops } from './claim-loops.ts'
import type { Claimer } from './claimer.ts'
import { endIncarnation } from './end-incarnation.ts'
import { openClaimer } from './open-claimer.ts'
import { removeFenceNote, writeFenceNote } from './fence-note.ts'
import { Hints } from './hints.ts'
import { LossDeclarer } from './loss-declarer.ts'
import { openControl } from './open-control.ts'
import { Promoter } from './promoter.ts'
import { openRunWriters } from './run-writers.ts'
import type { ServerSetup } from './server-setup.ts'

/** All that one node does as long as it lives: it claims, runs, promotes, cancels, and watches the others. */
export class Server {
  readonly #options: ServerSetup
  readonly #witness: WitnessThread
  readonly #pipes: PipeSupply
  readonly #runner: Runner
  readonly #claimer: Claimer
  readonly #claiming: ClaimLoops
  readonly #control: ReturnType<typeof openControl>
  readonly #controlling: Loop
  readonly #promoter: Promoter
  readonly #declarer: LossDeclarer
  readonly #hints: Hints
  readonly #writing = new AbortController()
  #fenced: ClusterError | undefined
  #isLeaving = false

  /**
   * Begins a new incarnation of the node and starts its loops.
   * @throws {ClusterError} CW_NODE_ID_TAKEN, CW_GUARDIAN
   */
  static async start(options: ServerSetup): Promise<Server> {
    // What the witness tells is for the server that it belongs to, which comes into being just after it.
    const { promise: made, resolve } = Promise.withResolvers<Server>()
    const tell = (what: (server: Server) => void): void => void made.then(what)
    const { db, events, node } = options
    const witness = await startWitness(options.witness, {
      look: look => tell(server => server.#heed(look)),
      silent: others => tell(server => server.#declarer.declare(others)),
      newEra: () => tell(server => server.#rememberEra()),
      disconnected: () =>
        renewPassword(
          db,
          connection => tell(server => server.#witness.reconnect(connection)),
          error => events.trouble(error, 'password'),
        ),
      newer: newest => void db.timelines.learn(newest),
      lost: reason => tell(server => server.fence(reason)),
      error: events.trouble,
      guarded: (by, isFirst) => events.guarded(by, isFirst),
    })
    const server = new Server(options, witness)
    removeFenceNote(options.dataFolder, node)
    server.#claiming.start()
    server.#controlling.start()
    server.#control.start()
    server.#promoter.start()
    if (options.listen) server.#hints.start()
    db.timelines.onNewer(newest => witness.learn(newest))
    resolve(server)
    events.started({ node, incarnation: witness.incarnation })
    return server
  }

  private constructor(options: ServerSetup, witness: WitnessThread) {
    const { db, node, events } = options
    this.#options = options
    this.#witness = witness
    this.#pipes = new PipeSupply({ onFailure: error => events.trouble(error, 'pipes') })
    this.#runner = this.#makeRunner()
    this.#claimer = openClaimer({
      db,
      incarnation: this.incarnation,
      processes: options.processes,
      retryMs: options.witness.pollMs,
      runner: this.#runner,
      cover: ids => witness.cover(ids),
      onClaimed: claimed => events.claimed(claimed),
      onError: events.trouble,
    })
    this.#control = this.#openControl()
    this.#claiming = new ClaimLoops({
      claimer: this.#claimer,
      mayBegin: () => this.mayBegin,
      onError: events.trouble,
    })
    this.#controlling = new Loop({
      name: 'control',
      pass: async () => (this.#fenced ? 'when woken' : this.#control.controller.pass()),
      onError: events.trouble,
    })
    this.#promoter = new Promoter({
      clock: monotonic,
      promote: () => promote(db),
      onPromoted: () => this.#lookAnew(),
      onError: events.trouble,
    })
    this.#declarer = new LossDeclarer({
      declareLost: other => declareSilentLost(db, other, node),
      onLost: lost => events.declaredLost(lost),
      onError: error => events.trouble(error, 'watch'),
    })
    this.#hints = new Hints({
      db,
      node,
      onQueue: () => this.#lookAnew(),
      onComponent: () => options.onComponentHint(),
      onOther: () => witness.look(),
      onError: events.trouble,
    })
  }

  get incarnation(): string {
    return this.#witness.incarnation
  }

  /** Stops programs that belong to no run when this server is lost. */
  get guard(): WitnessThread {
    return this.#witness
  }

  get activeCount(): number {
    return this.#runner.activeCount
  }

  /** Whether it may begin something new: it is neither suspended nor fenced. */
  get mayBegin(): boolean {
    return !this.#fenced && !this.#control.controller.isSuspended
  }

  /** Something went wrong with a version's files; when the store is to blame, the server suspends itself. */
  noteStore(error: unknown): void {
    this.#control.health.noteStore(error)
  }

  /** Looks for work at once. */
  wake(): void {
    this.#claiming.wake()
  }

  /** Claims nothing more, and takes over from nobody; resolves when no claim is under way. */
  async stopClaiming(): Promise<void> {
    await Promise.all([this.#claiming.stop(), this.#control.role.stop()])
    if (this.activeCount === 0) return
    const { db, events } = this.#options
    stopAccepting(db, this.incarnation).catch(error => events.trouble(error, 'stop'))
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
    const why = `the server ${this.#options.node} was stopped before the step ended`
    this.#runner.stopAll(new ClusterError('CW_STOPPED', why))
  }

  /** Ends the incarnation, after `stopClaiming` and `drain`. */
  async leave(): Promise<void> {
    await Promise.all([
      this.#claiming.stop(),
      this.#controlling.stop(),
      this.#control.stop(),
      this.#promoter.stop(),
      this.#hints.stop(),
      this.#declarer.idle(),
    ])
    this.#isLeaving = true
    const { db, events } = this.#options
    const { incarnation } = this
    const { signal } = this.#writing
    const ending = { db, incarnation, signal, onError: events.trouble }
    if (!this.#fenced && (await endIncarnation(ending))) await this.#witness.leave()
    else this.#witness.abandon()
    await this.#pipes.close()
    this.#writing.abort()
    await this.#hints.close()
    await this.#witness.end()
  }

  /** Stops all work at once, because this server may no longer act. */
  fence(reason: ClusterError): void {
    if (this.#fenced) return
    this.#writing.abort(reason)
    // The witness may see that the incarnation has ended before it is told to stop. Nothing is left to fence then.
    if (this.#isLeaving && this.#runner.activeCount === 0) return
    this.#fenced = reason
    const { dataFolder, node, events, onFenced } = this.#options
    onFenced(reason)
    writeFenceNote(dataFolder, node, reason, events.trouble)
    this.#runner.abandonAll(reason)
    void this.#tellFenced(reason)
  }

  async #tellFenced(reason: ClusterError): Promise<void> {
    await this.#runner.drain()
    this.#witness.abandon()
    this.#options.events.fenced(reason)
  }

  #makeRunner(): Runner {
    const { db, node, concurrency, killGraceMs, outputLimit, environment, dataFolder, events } =
      this.#options
    const writers = openRunWriters({
      db,
      incarnation: this.incarnation,
      signal: this.#writing.signal,
      onFinished: runs => {
        this.#witness.release(runs.map(({ id }) => id))
        for (const { id, outcome } of runs) events.finished(id, outcome)
      },
    })
    return new Runner({
      node,
      concurrency,
      killGraceMs,
      outputLimit,
      pipes: this.#pipes,
      artifacts: this.#options.artifacts,
      environment: { ...environment, ...this.#witness.environment },
      runsFolder: join(dataFolder, 'runs'),
      writeStep: writers.writeStep,
      appendLog: writers.appendLog,
      finish: writers.finish,
      onStepEnd: (kind, error) => this.#control.health.noteStep(kind, error),
      onBegun: () => this.#wakeSuspended(),
      onSlotFree: () => {
        if (this.#claimer.wantsSlots) this.wake()
        this.#wakeSuspended()
      },
      onTrouble: (error, requestId) => events.trouble(error, `request ${requestId}`),
    })
  }

  #openControl(): ReturnType<typeof openControl> {
    const { db, node, dataFolder, witness, probeStore, events } = this.#options
    return openControl({
      db,
      node,
      probeStore,
      incarnation: this.incarnation,
      runsFolder: join(dataFolder, 'runs'),
      isStandby: witness.about.role === 'standby',
      settle: () => this.#claimer.settle(),
      countRuns: () => ({ active: this.activeCount, starting: this.#runner.startingCount }),
      stopRuns: reason => this.#runner.stopAll(reason),
      wakeClaims: () => this.wake(),
      wakeControl: () => this.#controlling.wake(),
      events,
    })
  }

  /** There may be requests that go before those that were claimed last. */
  #lookAnew(): void {
    this.#claimer.rewind()
    this.wake()
  }

  /** A suspended server waits for its runs before it acknowledges. */
  #wakeSuspended(): void {
    if (this.#control.controller.isSuspended) this.#controlling.wake()
  }

  #heed({ cancels, hasOrders, isQueued, dueInMs, ...seen }: Look): void {
    if (hasOrders) this.#controlling.wake()
    for (const id of cancels) this.#runner.cancel(id)
    if (isQueued) this.#lookAnew()
    this.#promoter.expect(dueInMs)
    this.#control.role.heed(seen)
  }

  #rememberEra(): void {
    const { db, events } = this.#options
    rememberEra(db, db.t).catch((error: unknown) => events.trouble(error, 'era'))
  }
}
