import type pg from 'pg'
import type { MonotonicClock } from '../base/clock.ts'
import { Loop, type NextPass } from '../base/loop.ts'
import { random } from '../base/random.ts'
import type { Era } from '../db/era.ts'
import { beginIncarnation, countSession, type NodeDescription } from '../db/incarnations.ts'
import { tryLock } from '../db/locks.ts'
import { nodeIdTaken } from '../db/node-identity.ts'
import type { OtherIncarnation } from '../db/other-incarnations.ts'
import type { Crew, Duty } from '../db/standby.ts'
import type { Tables } from '../db/tables.ts'
import { isConnectionFailure, translateError } from '../db/translate-error.ts'
import { ClusterError } from '../errors.ts'
import { PulseSender } from './pulse-sender.ts'
import { declaredLost, overdue } from './reasons.ts'
import { openSession, pidOf, succeed, type Connect } from './session.ts'
import { limitsOf, type Limits } from './limits.ts'
import type { Watcher } from './watcher.ts'

export interface WitnessOptions {
  readonly t: Tables
  readonly connect: Connect
  readonly clock: MonotonicClock
  /** The number of the node's identity lock. */
  readonly nodeSeq: string
  readonly about: NodeDescription
  /** Where this server looks for work. */
  readonly lanes: readonly number[]
  /** How often it looks at least, in milliseconds. */
  readonly pollMs: number
  /** The part of that which is left to chance. */
  readonly pollJitter: number
  readonly watcher: Watcher
  readonly on: WitnessListeners
  /** Whether every host has said that the database is away. */
  readonly isAway: (error: unknown) => boolean
  /** Asked before each proof: why the server must not prove any more that it is alive. */
  readonly findReasonToStop: () => ClusterError | undefined
}

export interface WitnessListeners {
  /** Called with each answer. */
  readonly look: (look: Look) => void
  /** Called with those to declare lost, again and again until somebody has. */
  readonly silent: (others: readonly OtherIncarnation[]) => void
  /** Called when nobody has seen this life of the database before. */
  readonly newEra: () => void
  /** Called when the session is gone, before another is opened. */
  readonly disconnected: () => void
  /**
   * Called with each proof: for so many milliseconds from now nobody else declares this server lost. It is more
   * than the server gives itself, so that what watches over it comes second.
   */
  readonly proven: (forMs: number) => void
  /** Called once, when this server can no longer prove that it is alive. */
  readonly lost: (reason: ClusterError) => void
  readonly error: (error: unknown, name: string) => void
}

/** What there is to do, as the database says. */
export interface Look {
  readonly cancels: readonly string[]
  readonly hasOrders: boolean
  readonly isQueued: boolean
  readonly dueInMs: number | null
  /** What this server has to do as a standby. */
  readonly duty: Duty | null
  /** Not every look tells. */
  readonly crew: Crew | null
}

/** The clock may be behind a timer by so much, in milliseconds. */
const clockStepMs = 10

/**
 * The proof that this incarnation is alive: a database session of its own that holds the incarnation's lock.
 * A crash ends the session at once; when the server freezes or the network is cut, PostgreSQL ends it because it
 * is silent. The other servers watch the lock.
 */
export class Witness {
  readonly #options: WitnessOptions
  readonly #limits: Limits
  readonly incarnation: string
  readonly #loop: Loop
  readonly #pulses: PulseSender
  #session: pg.Client | undefined
  /** When the last answered pulse was sent, or the last that the database was away for. */
  #provenAt: number
  /** The same without those that it was away for. */
  #answeredAt: number
  #toldAt = -Infinity
  #eraId = ''
  #backendPid: number | undefined
  #deadline: NodeJS.Timeout | undefined
  #hasGivenUp = false
  #isConnecting = false
  /** Whether the last pulse was answered. */
  #hasAnswered = false

  private constructor(
    options: WitnessOptions,
    incarnation: string,
    session: pg.Client,
    sentAt: number,
  ) {
    this.#options = options
    this.#limits = limitsOf(options.about)
    this.incarnation = incarnation
    this.#session = session
    this.#provenAt = sentAt
    this.#answeredAt = sentAt
    const { t, lanes, on, about } = options
    const { watchMs } = this.#limits
    const isStandby = about.role === 'standby'
    this.#pulses = new PulseSender({ t, incarnation, lanes, isStandby, watchMs, onError: on.error })
    this.#loop = new Loop({ name: 'witness', pass: () => this.#pass(), onError: on.error })
  }

  /**
   * Begins a new incarnation of the node and starts to prove it.
   * @throws {ClusterError} CW_NODE_ID_TAKEN when another live server has the node id; CW_CONNECTION
   */
  static async begin(options: WitnessOptions): Promise<Witness> {
    const { about, connect, clock, nodeSeq, t } = options
    const sentAt = clock()
    const { session, era } = await openSession(connect, t, about.node, limitsOf(about), 'on')
    try {
      if (!(await tryLock(session, t, 'node', nodeSeq))) throw nodeIdTaken(about.node)
      const incarnation = await beginIncarnation(session, t, about)
      await tryLock(session, t, 'incarnation', incarnation)
      const witness = new Witness(options, incarnation, session, sentAt)
      witness.#backendPid = await pidOf(session)
      witness.#noteEra(era, sentAt)
      witness.#extend()
      witness.#loop.start()
      return witness
    } catch (error) {
      await session.end()
      throw translateError(error)
    }
  }

  /** Looks at once. */
  look(): void {
    this.#loop.wake()
  }

  /** Gives up the proof; the incarnation should have been ended before. */
  async end(): Promise<void> {
    this.#hasGivenUp = true
    clearTimeout(this.#deadline)
    await this.#loop.stop()
    await this.#session?.end().catch(() => undefined)
    this.#session = undefined
  }

  async #pass(): Promise<NextPass> {
    if (this.#hasGivenUp) return 'when woken'
    const { clock, pollMs, pollJitter, on } = this.#options
    const reason = this.#options.findReasonToStop()
    if (reason) return this.#giveUp(reason)
    const sentAt = clock()
    this.#isConnecting = false
    try {
      await this.#prove(sentAt)
      this.#extend()
      const lossInMs = this.#options.watcher.nextLossAt - clock() + clockStepMs
      const pauseMs = pollMs * (1 - pollJitter * random())
      return Math.max(1, Math.min(pauseMs, this.#limits.heartbeatMs, lossInMs))
    } catch (error) {
      // A session that worked until now is opened again at once; there may be little time left.
      const pauseMs = this.#limits.retryMs * (this.#hasAnswered ? random() * 0.1 : 1)
      this.#hasAnswered = false
      this.#dropSession()
      if (error instanceof ClusterError && error.code === 'CW_NODE_LOST') return this.#giveUp(error)
      // Nobody can declare anything in a database that is away: it is as good as a proof, up to a limit.
      if (this.#isConnecting && this.#options.isAway(error)) this.#provenAt = sentAt
      if (this.#isOverdue()) return this.#giveUp(this.#overdue(error))
      this.#extend()
      if (!isConnectionFailure(error)) on.error(error, 'witness')
      return pauseMs
    }
  }

  /**
   * One pulse, on a new session when the old one is gone. Its time counts from before it was sent. Each asks
   * for the state too: a declaration that was under way when a lost session's locks were taken again shows itself
   * only later.
   */
  async #prove(sentAt: number): Promise<void> {
    const { on, clock, watcher } = this.#options
    const session = (this.#session ??= await this.#openSessionAgain(sentAt))
    const askedAt = clock()
    const answer = await this.#pulses.send(session, askedAt, watcher.nextLossAt <= askedAt)
    const { isAlive, others, cancels, hasOrders, isQueued, dueInMs, duty, crew } = answer
    if (!isAlive) throw declaredLost()
    this.#hasAnswered = true
    this.#provenAt = sentAt
    this.#answeredAt = sentAt
    // What was not asked for here must be found by trying.
    const wasAsked = isQueued !== null
    on.look({
      cancels,
      hasOrders,
      isQueued: isQueued ?? true,
      dueInMs: wasAsked ? dueInMs : 0,
      duty,
      crew,
    })
    if (!others) return
    const lost = watcher.observe(others, askedAt, clock())
    if (lost.length > 0) on.silent(lost)
  }

  async #openSessionAgain(sentAt: number): Promise<pg.Client> {
    const { t, connect, about, nodeSeq } = this.#options
    // Only a refused connection is evidence; a session that is ended may have been ended alone.
    this.#isConnecting = true
    const { session, era } = await openSession(connect, t, about.node, this.#limits, 'off')
    this.#isConnecting = false
    try {
      this.#noteEra(era, sentAt)
      const { incarnation } = this
      const pid = this.#backendPid
      this.#backendPid = await succeed(session, t, { node: about.node, nodeSeq, incarnation, pid })
      await countSession(session, t, incarnation)
      return session
    } catch (error) {
      session.end().catch(() => undefined)
      throw error
    }
  }

  /**
   * In an era in which nobody has seen this server, the others grant it the grace of an outage. It is as good as a
   * proof, once: the next session of the same era may have been seen.
   */
  #noteEra({ id, ageMs }: Era, sentAt: number): void {
    const { clock, watcher, on } = this.#options
    if (id === this.#eraId) return
    this.#eraId = id
    watcher.beginEra(clock() - (ageMs ?? 0))
    if (ageMs === null) on.newEra()
    if ((ageMs ?? 0) >= this.#limits.outageGraceMs) return
    this.#provenAt = sentAt
    this.#extend()
  }

  #dropSession(): void {
    this.#session?.end().catch(() => undefined)
    this.#session = undefined
    this.#options.watcher.forget()
    this.#options.on.disconnected()
  }

  #isOverdue(): boolean {
    const now = this.#options.clock()
    const { proveMs, outageGraceMs } = this.#limits
    return now - this.#provenAt > proveMs || now - this.#answeredAt > outageGraceMs + proveMs
  }

  /** The deadline has a timer of its own, because an attempt that gets no answer may take longer. */
  #extend(): void {
    if (this.#hasGivenUp) return
    const now = this.#options.clock()
    const ageMs = now - this.#provenAt
    this.#arm(this.#limits.proveMs - ageMs)
    // A server that polls often need not tell of each proof.
    if (now - this.#toldAt < this.#limits.heartbeatMs / 2) return
    this.#toldAt = now
    this.#options.on.proven(this.#limits.trustMs - ageMs)
  }

  #arm(inMs: number): void {
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(
      // An answer that waits to be read comes first: timers are early when the event loop was held up.
      () => setImmediate(() => this.#checkDeadline()),
      Math.max(1, inMs),
    )
  }

  #checkDeadline(): void {
    if (this.#hasGivenUp) return
    if (this.#isOverdue()) this.#giveUp(this.#overdue())
    // The clock moves in steps, so the timer may be a little early.
    else this.#arm(this.#limits.proveMs - (this.#options.clock() - this.#provenAt) + clockStepMs)
  }

  #giveUp(reason: ClusterError): NextPass {
    clearTimeout(this.#deadline)
    if (!this.#hasGivenUp) this.#options.on.lost(reason)
    this.#hasGivenUp = true
    return 'when woken'
  }

  #overdue(cause?: unknown): ClusterError {
    return overdue(this.#options.clock() - this.#answeredAt, cause)
  }
}
