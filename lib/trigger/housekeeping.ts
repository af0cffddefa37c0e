import type { PgBoss } from 'pg-boss'
import { Loop } from '../base/loop.ts'

export interface HousekeepingOptions {
  /** Runs a statement on our pool. */
  readonly executeSql: (text: string, values?: unknown[]) => Promise<{ rows: unknown[] }>
  /** The schema for pg-boss's own tables. */
  schema: string
  /** Removes what is older than the retention; gives how many requests went. */
  purge(): Promise<number>
  /** The schedule is in place, and this server takes part. */
  onStarted?(): void
  onPurged(removed: number): void
  onError(error: unknown): void
}

const queue = 'purge'
const everyHour = '17 * * * *'

/**
 * Intervals in seconds: housekeeping is in no hurry, and an idle server shall cost next to nothing. What looks after pg-boss's
 * own few rows, on each server, may take its time; a job that is due is found a little sooner.
 */
const unhurried = 600
const betweenLooks = 60

/**
 * The cluster's housekeeping: once an hour, one of the servers removes old requests. pg-boss keeps the schedule;
 * it may run such a job twice or elsewhere, which is right for this and never for a process request.
 */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  #boss: PgBoss | undefined
  readonly #loop: Loop

  constructor(options: HousekeepingOptions) {
    this.#options = options
    this.#loop = new Loop({
      name: 'housekeeping',
      pass: async () => {
        await this.#begin()
        options.onStarted?.()
        return 'when woken'
      },
      onError: error => options.onError(error),
    })
  }

  /** Begins; when that fails, tries again and again in the background. */
  start(): void {
    this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
    await this.#boss?.stop({ graceful: false, close: false })
  }

  async #begin(): Promise<void> {
    await this.#createSchema()
    const boss = (this.#boss ??= await this.#openBoss())
    await boss.start()
    await boss.createQueue(queue, { retryLimit: 2, deleteAfterSeconds: 7 * 24 * 3600 })
    await boss.schedule(queue, everyHour)
    await boss.work(queue, { pollingIntervalSeconds: betweenLooks }, async () => {
      const removed = await this.#options.purge()
      if (removed > 0) this.#options.onPurged(removed)
    })
  }

  /** pg-boss is loaded when a server begins: programs that only enqueue never need it. */
  async #openBoss(): Promise<PgBoss> {
    const { executeSql, schema } = this.#options
    const { PgBoss } = await import('pg-boss')
    const boss = new PgBoss({
      db: { executeSql: (text, values) => executeSql(text, values) },
      schema,
      createSchema: false,
      superviseIntervalSeconds: unhurried,
      maintenanceIntervalSeconds: 24 * 3600,
      monitorIntervalSeconds: unhurried,
      queueCacheIntervalSeconds: unhurried,
      bamIntervalSeconds: unhurried,
      flowIntervalSeconds: 3600,
      cronMonitorIntervalSeconds: 45,
      cronWorkerIntervalSeconds: 45,
    })
    boss.on('error', error => this.#options.onError(error))
    return boss
  }

  /** `if not exists` does not keep two servers from creating it at the same moment: one of them then gets an error. */
  async #createSchema(): Promise<void> {
    const { executeSql, schema } = this.#options
    // Asked first, because a role that may not create schemas gets an error also for one that is there.
    const { rows } = await executeSql('select from pg_namespace where nspname = $1', [schema])
    const create = (): Promise<unknown> => executeSql(`create schema if not exists "${schema}"`)
    if (rows.length === 0) await create().catch(create)
  }
}
