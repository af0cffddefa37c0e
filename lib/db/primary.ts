import type pg from 'pg'
import { splitHosts, type DatabaseHost } from '../base/database-url.ts'
import { ClusterError, messageOf } from '../errors.ts'
import { isStandby, noPrimary } from './no-primary.ts'
import type { Standing } from './timeline.ts'
import type { NewestTimeline, TimelineMemory } from '../base/timeline-memory.ts'
import { isConnectionFailure, sqlStateOf } from './translate-error.ts'
import { monotonic } from '../base/clock.ts'

/** Connects to one host, asks where it stands, and leaves again. */
export type Probe = (host: DatabaseHost) => Promise<Standing>

interface Answer {
  readonly host: DatabaseHost
  readonly standing?: Standing
  readonly error?: unknown
}

/** How long the other hosts are waited for when one has said that it is the primary, in milliseconds. */
const patienceMs = 500

/**
 * How long a search holds, in milliseconds. An old primary that comes back accepts connections as if nothing had
 * happened; only a look at the other hosts tells.
 */
const longestTrustMs = 2000

/**
 * Which host is the primary. All connections of one pool, and those beside it, share what is known here: a healthy
 * cluster is looked through once. The newest timeline ever seen decides which primary is the right one, so that an
 * old one that comes back is refused.
 */
export class Primary {
  /** None when there is no choice. */
  readonly hosts: readonly DatabaseHost[]
  readonly #memory: TimelineMemory | undefined
  readonly #sessions = new Map<pg.Client, Standing>()
  readonly #listeners = new Set<(newest: NewestTimeline) => void>()
  #current: DatabaseHost | undefined
  #foundAt = -Infinity
  #finding: Promise<DatabaseHost> | undefined
  /** The newest timeline that was seen of each system. There is one system, unless a database was replaced. */
  readonly #newest = new Map<string, number>()
  #recalling: Promise<void> | undefined

  /**
   * @param url names the hosts to choose from; with one host, or none, there is no choice
   * @param memory where the newest timeline outlives this process; unless given, it does not
   */
  constructor(url: string | undefined, memory?: TimelineMemory) {
    this.hosts = url === undefined ? [] : splitHosts(url).hosts
    this.#memory = memory
  }

  /** Whether a host is remembered, so that the next connection goes there without a search. */
  get isKnown(): boolean {
    return this.#current !== undefined
  }

  /**
   * The host to connect to: the remembered one, or what a search through all of them finds. Any number of callers
   * share one search.
   * @throws {ClusterError} CW_NO_PRIMARY, CW_CONNECTION saying what each host answered
   */
  async find(probe: Probe): Promise<DatabaseHost | undefined> {
    if (this.hosts.length === 0) return undefined
    if (this.#current && monotonic() - this.#foundAt < longestTrustMs) return this.#current
    this.#finding ??= this.#search(probe).finally(() => (this.#finding = undefined))
    return this.#finding
  }

  /** The host has failed: the next connection searches again. */
  forget(host: DatabaseHost | undefined): void {
    if (this.#current === host) this.#current = undefined
  }

  /** Calls back with each newer timeline that is seen here. */
  onNewer(listener: (newest: NewestTimeline) => void): void {
    this.#listeners.add(listener)
  }

  /** Somebody else has seen this timeline. */
  learn(newest: NewestTimeline): Promise<void> {
    return this.#raise(newest)
  }

  /**
   * Lets a new session in that is on a primary of the newest timeline, and closes those that are on an older one.
   * @throws {ClusterError} CW_NO_PRIMARY for a standby and an old primary
   */
  async admit(session: pg.Client, standing: Standing, name: string): Promise<void> {
    await this.#recall()
    this.#refuse(standing, name)
    this.#sessions.set(session, standing)
    const host = this.#current
    session.once('end', () => {
      this.#sessions.delete(session)
      this.forget(host)
    })
    await this.#raise(standing)
  }

  #refuse({ system, timeline }: Standing, name: string): void {
    if (timeline === undefined) throw isStandby(name)
    const newest = this.#newest.get(system) ?? 0
    if (timeline < newest)
      throw noPrimary(
        `${name} is an old primary: it is on timeline ${timeline}, but timeline ${newest} was seen; stop it and make ` +
          'it a standby of the new primary (if an older state was restored on purpose, restart this server)',
        { timeline, newest },
      )
  }

  /** Remembers a timeline; what was connected to an older one must not go on there. */
  async #raise({ system, timeline }: Pick<Standing, 'system' | 'timeline'>): Promise<void> {
    if (timeline === undefined || timeline <= (this.#newest.get(system) ?? 0)) return
    this.#newest.set(system, timeline)
    for (const [session, at] of this.#sessions)
      if (at.system === system && (at.timeline ?? 0) < timeline) session.connection.stream.destroy()
    for (const listener of this.#listeners) listener({ system, timeline })
    // Where it cannot be kept, this process still knows it.
    await this.#memory?.write({ system, timeline }).catch(() => undefined)
  }

  async #recall(): Promise<void> {
    this.#recalling ??= (async () => {
      const kept = await this.#memory?.read().catch(() => undefined)
      if (kept && kept.timeline > (this.#newest.get(kept.system) ?? 0))
        this.#newest.set(kept.system, kept.timeline)
    })()
    return this.#recalling
  }

  async #search(probe: Probe): Promise<DatabaseHost> {
    await this.#recall()
    const answers = await this.#askAll(probe)
    const host = this.#choose(answers)
    this.#current = host
    this.#foundAt = monotonic()
    return host
  }

  /**
   * Ends when all have answered or failed; sooner when one says that it was promoted since, or when the others
   * say nothing for a while after one has said that it is the primary.
   */
  async #askAll(probe: Probe): Promise<readonly Answer[]> {
    const answers: Answer[] = []
    const { promise: enough, resolve } = Promise.withResolvers<void>()
    let patience: NodeJS.Timeout | undefined
    const all = this.hosts.map(async host => {
      const answer = await ask(host, probe)
      answers.push(answer)
      const { standing } = answer
      if (standing?.timeline === undefined) return
      const newest = this.#newest.get(standing.system)
      if (newest !== undefined && standing.timeline > newest) resolve()
      if (standing.timeline >= (newest ?? 0)) patience ??= setTimeout(resolve, patienceMs)
      // Also when it comes too late for this search: then it ends the sessions that this search led to.
      if (newest !== undefined) await this.#raise(standing)
    })
    await Promise.race([Promise.all(all), enough])
    clearTimeout(patience)
    return [...answers]
  }

  #choose(answers: readonly Answer[]): DatabaseHost {
    const primaries = answers.flatMap(({ host, standing }) =>
      standing?.timeline === undefined ? [] : [{ host, ...standing, timeline: standing.timeline }],
    )
    const known = primaries.filter(({ system }) => this.#newest.has(system))
    const [unrelated, possible] =
      known.length > 0 ? [false, known] : [areMany(primaries), primaries]
    const newest = Math.max(...possible.map(({ system }) => this.#newest.get(system) ?? 0))
    const highest = Math.max(...possible.map(({ timeline }) => timeline))
    const best = possible.filter(({ timeline }) => timeline === highest)
    const [first] = best
    if (!first || highest < newest) throw this.#explain(answers)
    // One server may be reached under two names.
    const isOne = best.every(({ startedAt }) => startedAt === first.startedAt)
    if (unrelated || !isOne)
      throw split(
        (unrelated ? possible : best).map(({ host }) => host),
        unrelated,
      )
    return first.host
  }

  #explain(answers: readonly Answer[]): unknown {
    const errors = this.hosts.map(host => {
      const answer = answers.find(one => one.host === host)
      return (answer?.standing ? this.#whyNot(answer.standing, host) : answer?.error) ?? silent()
    })
    // The same refusal everywhere, such as a wrong password, is best said as it is.
    const [first] = errors
    const state = sqlStateOf(first)
    const isFinal = state !== undefined && !isConnectionFailure(first)
    if (isFinal && errors.every(error => sqlStateOf(error) === state)) return first
    const reasons = this.hosts.map((host, index) => withName(host, errors[index])).join('; ')
    const details = { cause: new AggregateError(errors, reasons), hasSearched: true }
    return errors.every(error => isConnectionFailure(error) && !isAnswer(error))
      ? new ClusterError('CW_CONNECTION', `the database cannot be reached: ${reasons}`, details)
      : noPrimary(`none of the hosts is a primary that may be used: ${reasons}`, details)
  }

  #whyNot(standing: Standing, host: DatabaseHost): unknown {
    try {
      this.#refuse(standing, nameOf(host))
      return undefined
    } catch (error) {
      return error
    }
  }
}

/** Whether the error tells of a search through all hosts, and not of one connection. */
export function hasSearched(error: unknown): boolean {
  return error instanceof ClusterError && error.details['hasSearched'] === true
}

/** As an operator writes it. */
export function nameOf({ host, port }: DatabaseHost): string {
  const shown = host.includes(':') ? `[${host}]` : host
  return port === undefined ? shown : `${shown}:${port}`
}

async function ask(host: DatabaseHost, probe: Probe): Promise<Answer> {
  try {
    return { host, standing: await probe(host) }
  } catch (error) {
    return { host, error }
  }
}

function areMany(standings: readonly Standing[]): boolean {
  return new Set(standings.map(({ system }) => system)).size > 1
}

function isAnswer(error: unknown): boolean {
  return error instanceof ClusterError && error.code === 'CW_NO_PRIMARY'
}

/** Of a host that had not answered, or not so that it would be refused: no evidence of anything. */
function silent(): ClusterError {
  return new ClusterError('CW_CONNECTION', 'no clear answer in time')
}

function withName(host: DatabaseHost, error: unknown): string {
  const name = nameOf(host)
  const message = messageOf(error)
  return message.startsWith(name) ? message : `${name}: ${message}`
}

function split(hosts: readonly DatabaseHost[], isUnrelated: boolean): ClusterError {
  const names = hosts.map(nameOf).join(' and ')
  return noPrimary(
    isUnrelated
      ? `${names} are primaries of databases that have nothing to do with each other; let the database URL name one primary and its standbys`
      : `${names} both say that they are the primary, on the same timeline; find out which one the applications wrote to, and stop the other`,
    { split: true },
  )
}
