import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import type { FinishRow, LossSample } from './evidence.ts'
import { ledgerClock } from './ledger.ts'
import { LedgerTail } from './ledger-tail.ts'
import { OverdueWatch, type Overdue } from './overdue-watch.ts'
import { isRunning, listRunProcesses, type ProcessName } from './live-processes.ts'

export interface ObserverOptions {
  /** Of the primary, which changes. */
  readonly url: () => string
  readonly ledgerFile: string
  /** How long a server that does not prove itself may keep running rows, in milliseconds. */
  readonly overdueMs: number
  /** How much longer it may, when nobody has seen it since the database came back. */
  readonly outageGraceMs: number
  /** Told of requests that a lost incarnation left, at the moment when the row says so. */
  readonly onLoss: (incarnation: string) => { node: string; isUnguarded: boolean }
}

/** How often to look without being told, in milliseconds. */
const lookMs = 200

/** Rows that committed later than those with higher numbers are found within so many. */
const overlap = 400

/** Watches the database while everything else goes on: what finishes, what changes, what lives on when it must not. */
export class Observer {
  readonly firstSeen = new Map<string, number>()
  readonly changed = new Set<string>()
  readonly losses: LossSample[] = []
  readonly #overdue: OverdueWatch
  readonly #options: ObserverOptions
  readonly #tail: LedgerTail
  readonly #seen = new Map<string, string>()
  readonly #commands = new Map<string, ProcessName[]>()
  #lastFinish = 0
  #lastLoss = 0
  #isStopped = false
  #wake: () => void = () => undefined
  readonly #running: Promise<void>

  constructor(options: ObserverOptions) {
    this.#options = options
    this.#overdue = new OverdueWatch(options)
    this.#tail = new LedgerTail(options.ledgerFile)
    this.#running = this.#run()
  }

  get overdue(): readonly Overdue[] {
    return this.#overdue.found
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#wake()
    await this.#running
    this.#tail.close()
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const client = new Client({
        connectionString: this.#options.url(),
        application_name: 'chaos observer',
        query_timeout: 5000,
        connectionTimeoutMillis: 2000,
      })
      client.on('error', () => undefined)
      try {
        await client.connect()
        await this.#watch(client)
      } catch {
        // The database is away, on purpose; nobody can be declared lost there.
        this.#overdue.forget()
        await delay(50)
      }
      void client.end().catch(() => undefined)
    }
  }

  async #watch(client: Client): Promise<void> {
    let isTold = false
    client.on('notification', () => {
      isTold = true
      this.#wake()
    })
    await client.query('listen chaos')
    const url = this.#options.url()
    for (let looks = 0; !this.#isStopped; looks++) {
      isTold = false
      await this.#lookForLosses(client)
      await this.#lookForFinishes(client)
      if (looks % 3 === 0) await this.#overdue.look(client)
      // A primary that lost its place may go on to answer for a moment.
      if (url !== this.#options.url()) return
      if (!isTold) await this.#pause()
    }
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, lookMs)
    await promise
    clearTimeout(timer)
  }

  async #lookForLosses(client: Client): Promise<void> {
    const { rows } = await client.query<FinishRow & { seq: string }>(
      `select seq, id, outcome, reason, incarnation from chaos.finish
       where reason = 'server_lost' and seq > $1 order by seq`,
      [this.#lastLoss - overlap],
    )
    const fresh = rows.filter(({ id }) => !this.#seen.has(id))
    if (fresh.length > 0) this.#sample(fresh)
    this.#note(rows)
    this.#lastLoss = Number(rows.at(-1)?.seq ?? this.#lastLoss)
  }

  /** Nothing is awaited here: the row says so now. */
  #sample(lost: readonly FinishRow[]): void {
    const live = listRunProcesses(this.#options.ledgerFile)
    for (const { act, requestId, pid, server, startTicks } of this.#tail.next()) {
      if (pid === server || act === 'end') continue
      const known = this.#commands.get(requestId) ?? []
      known.push({ pid, startTicks })
      this.#commands.set(requestId, known)
    }
    for (const incarnation of new Set(lost.map(row => row.incarnation ?? ''))) {
      const ids = lost.filter(row => row.incarnation === incarnation).map(({ id }) => id)
      const alive = ids.flatMap(requestId => {
        const byEnvironment = live.filter(found => found.requestId === requestId)
        const byLedger = (this.#commands.get(requestId) ?? []).filter(isRunning)
        const pids = new Set(
          [...byEnvironment.filter(isRunning), ...byLedger].map(({ pid }) => pid),
        )
        return [...pids].map(pid => ({ requestId, pid }))
      })
      this.losses.push({ requestIds: ids, alive, ...this.#options.onLoss(incarnation) })
    }
  }

  async #lookForFinishes(client: Client): Promise<void> {
    const { rows } = await client.query<FinishRow & { seq: string }>(
      `select a.seq, f.id, f.outcome, f.reason, f.incarnation
       from chaos.finish as a join cluster_worker.finished as f using (id)
       where a.seq > $1 order by a.seq limit 5000`,
      [this.#lastFinish - overlap],
    )
    this.#note(rows)
    this.#lastFinish = Number(rows.at(-1)?.seq ?? this.#lastFinish)
  }

  #note(rows: readonly FinishRow[]): void {
    const now = ledgerClock()
    for (const { id, outcome, reason, incarnation } of rows) {
      const said = `${outcome}/${reason}/${incarnation}`
      const before = this.#seen.get(id)
      if (before === undefined) {
        this.#seen.set(id, said)
        this.firstSeen.set(id, now)
      } else if (before !== said) this.changed.add(id)
    }
  }
}
