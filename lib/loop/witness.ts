import type pg from 'pg'
import { monotonic } from '../base/clock.ts'
import { Loop, type NextPass } from '../base/loop.ts'
import { ClusterError } from '../errors.ts'
import type { Database } from '../db/database.ts'
import {
  beginIncarnation,
  isAlive,
  registerNode,
  type NodeDescription,
} from '../db/incarnations.ts'
import { tryLock } from '../db/locks.ts'
import { isConnectionFailure, isDatabaseAway } from '../db/translate-error.ts'

export interface WitnessOptions {
  readonly db: Database
  readonly about: NodeDescription
  /** How long the other servers wait before they declare a silent one lost, in milliseconds. */
  readonly lostAfterMs: number
  /** Called once, when this server can no longer prove that it is alive. */
  readonly onLost: (reason: ClusterError) => void
  /**
   * Called with each proof: for so many milliseconds from now nobody else declares this server lost. It is more
   * than the server gives itself, so that what watches over it comes second.
   */
  readonly onProven?: (forMs: number) => void
  readonly onError: (error: unknown, name: string) => void
}

/** How much of `lostAfter` may pass without proof before the server gives up; the rest is for stopping its work. */
const provePart = 0.6

/**
 * How much of `lostAfter` may pass without proof before somebody else must stop this server: it should have
 * stopped its work by then.
 */
const trustPart = 0.8

/** How often the proof is renewed, as a part of `lostAfter`. */
const heartbeatPart = 0.15

/** How long a database that is known to be away may stay so before the server gives up, in milliseconds. */
const longestOutageMs = 60_000

/**
 * The proof that this incarnation is alive: a database session of its own that holds the incarnation's lock.
 * A crash ends the session at once; when the server freezes or the network is cut, PostgreSQL ends it because it
 * is silent. The other servers watch the lock.
 */
export class Witness {
  readonly #options: WitnessOptions
  readonly #nodeSeq: string
  readonly incarnation: string
  readonly #loop: Loop
  #session: pg.Client | undefined
  #provenAt: number
  #awaySince: number | undefined
  #backendPid: number | undefined
  #deadline: NodeJS.Timeout | undefined
  #hasGivenUp = false

  private constructor(
    options: WitnessOptions,
    nodeSeq: string,
    incarnation: string,
    session: pg.Client,
    provenAt: number,
  ) {
    this.#options = options
    this.#nodeSeq = nodeSeq
    this.incarnation = incarnation
    this.#session = session
    this.#provenAt = provenAt
    this.#loop = new Loop({ name: 'witness', pass: () => this.#pass(), onError: options.onError })
  }

  /**
   * Begins a new incarnation of the node and starts to prove it.
   * @throws {ClusterError} CW_NODE_ID_TAKEN when another live server has the node id
   */
  static async begin(options: WitnessOptions): Promise<Witness> {
    const { db, about } = options
    const seq = await registerNode(db, about.node)
    const provenAt = monotonic()
    const session = await openSession(options)
    try {
      if (!(await tryLock(session, db.t, 'node', seq)))
        throw new ClusterError(
          'CW_NODE_ID_TAKEN',
          `another live server has the node id '${about.node}'; give this one an id of its own (--node-id or CLUSTER_NODE_ID), or stop the other first`,
          { field: 'nodeId' },
        )
      const incarnation = await beginIncarnation(session, db, about)
      await tryLock(session, db.t, 'incarnation', incarnation)
      const witness = new Witness(options, seq, incarnation, session, provenAt)
      witness.#backendPid = await pidOf(session)
      witness.#extend()
      witness.#loop.start()
      return witness
    } catch (error) {
      await session.end()
      throw error
    }
  }

  /** Gives up the proof; the incarnation should have been ended before. */
  async end(): Promise<void> {
    await this.#loop.stop()
    this.#hasGivenUp = true
    clearTimeout(this.#deadline)
    await this.#session?.end().catch(() => undefined)
    this.#session = undefined
  }

  async #pass(): Promise<NextPass> {
    const { lostAfterMs } = this.#options
    if (this.#hasGivenUp) return 'when woken'
    const beganAt = monotonic()
    try {
      await this.#prove()
      this.#awaySince = undefined
      this.#extend()
      return lostAfterMs * heartbeatPart
    } catch (error) {
      this.#session?.end().catch(() => undefined)
      this.#session = undefined
      if (error instanceof ClusterError && error.code === 'CW_NODE_LOST') return this.#giveUp(error)
      if (isDatabaseAway(error)) {
        // Nobody can declare anything there: it is as good as a proof, up to a limit.
        this.#awaySince ??= beganAt
        this.#provenAt = beganAt
      } else this.#awaySince = undefined
      if (this.#isOverdue()) return this.#giveUp(overdue(this.#options, error))
      this.#extend()
      if (!isConnectionFailure(error)) this.#options.onError(error, 'witness')
      return Math.min(lostAfterMs * heartbeatPart, 250)
    }
  }

  /**
   * One heartbeat, on a new session when the old one is gone. Its time counts from before it was sent. Each asks
   * for the state too: a declaration that was under way when a lost session's locks were taken again shows itself
   * only later. All on the witness's own session, so that a pool that is exhausted kills nobody.
   */
  async #prove(): Promise<void> {
    const { t } = this.#options.db
    const sentAt = monotonic()
    const session = (this.#session ??= await this.#openSessionAgain())
    if (!(await isAlive(session, t, this.incarnation))) throw declaredLost()
    this.#provenAt = sentAt
  }

  async #openSessionAgain(): Promise<pg.Client> {
    const { t } = this.#options.db
    const session = await openSession(this.#options)
    try {
      // What the network cut off may be there still, and holds the locks for as long as it may be silent.
      await endSession(session, this.#options.about.node, this.#backendPid)
      this.#backendPid = await pidOf(session)
      const held =
        (await tryLock(session, t, 'node', this.#nodeSeq)) &&
        (await tryLock(session, t, 'incarnation', this.incarnation))
      if (held) return session
      throw new ClusterError('CW_CONNECTION', 'the previous session still holds the locks')
    } catch (error) {
      session.end().catch(() => undefined)
      throw error
    }
  }

  #isOverdue(): boolean {
    const now = monotonic()
    if (now - (this.#awaySince ?? now) > longestOutageMs) return true
    return now - this.#provenAt > this.#options.lostAfterMs * provePart
  }

  /** The deadline has a timer of its own, because an attempt that gets no answer may take longer. */
  #extend(): void {
    const { lostAfterMs, onProven } = this.#options
    if (this.#hasGivenUp) return
    const ageMs = monotonic() - this.#provenAt
    onProven?.(lostAfterMs * trustPart - ageMs)
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(
      // An answer that waits to be read comes first: timers are early when the event loop was held up.
      () => setImmediate(() => this.#checkDeadline()),
      Math.max(0, lostAfterMs * provePart - ageMs) + 1,
    )
  }

  #checkDeadline(): void {
    if (this.#isOverdue()) this.#giveUp(overdue(this.#options, undefined))
  }

  #giveUp(reason: ClusterError): NextPass {
    clearTimeout(this.#deadline)
    if (!this.#hasGivenUp) this.#options.onLost(reason)
    this.#hasGivenUp = true
    return 'when woken'
  }
}

async function pidOf(session: pg.Client): Promise<number | undefined> {
  const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid
}

/** The name is compared too: after a restart of the database another session may have the number. */
async function endSession(
  session: pg.Client,
  node: string,
  pid: number | undefined,
): Promise<void> {
  await session.query({
    text: `
      select pg_terminate_backend(pid) from pg_stat_activity
      where pid = $1 and application_name = $2 and usename = current_user and pid <> pg_backend_pid()`,
    values: [pid, sessionName(node)],
  })
}

/** PostgreSQL keeps 63 characters of it. */
function sessionName(node: string): string {
  return `cluster-worker witness ${node}`.slice(0, 63)
}

function openSession({ db, about, lostAfterMs }: WitnessOptions): Promise<pg.Client> {
  const silentMs = Math.ceil(lostAfterMs * provePart)
  return db.connectAlone({
    application_name: sessionName(about.node),
    connectionTimeoutMillis: silentMs,
    query_timeout: Math.ceil(lostAfterMs * heartbeatPart * 2),
    options: `-c idle_session_timeout=${silentMs} -c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3`,
  })
}

function declaredLost(): ClusterError {
  return new ClusterError(
    'CW_NODE_LOST',
    'the other servers have declared this one lost; its requests have failed',
  )
}

function overdue({ lostAfterMs }: WitnessOptions, cause: unknown): ClusterError {
  return new ClusterError(
    'CW_NODE_LOST',
    `this server could not prove to the database that it is alive for ${Math.round(lostAfterMs * provePart)} ms, so it stopped its work before the others declare it lost`,
    { cause },
  )
}
