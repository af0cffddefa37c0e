import { PgBoss } from 'pg-boss'

export interface HousekeepingOptions {
  /** Runs a statement on our pool. */
  executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  /** The schema for pg-boss's own tables. */
  schema: string
  /** Removes what is older than the retention; gives how many requests went. */
  purge(): Promise<number>
  onPurged(removed: number): void
  onError(error: unknown): void
}

const queue = 'purge'
const everyHour = '17 * * * *'

/** Intervals in seconds: housekeeping is in no hurry, and an idle server shall cost next to nothing. */
const unhurried = 60

/**
 * The cluster's housekeeping: once an hour, one of the servers removes old requests. pg-boss keeps the schedule;
 * it may run such a job twice or elsewhere, which is right for this and never for a process request.
 */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  readonly #boss: PgBoss

  constructor(options: HousekeepingOptions) {
    this.#options = options
    this.#boss = new PgBoss({
      db: { executeSql: (text, values) => options.executeSql(text, values) },
      schema: options.schema,
      superviseIntervalSeconds: unhurried,
      maintenanceIntervalSeconds: 24 * 3600,
      monitorIntervalSeconds: unhurried,
      queueCacheIntervalSeconds: unhurried,
      cronMonitorIntervalSeconds: 45,
      cronWorkerIntervalSeconds: 45,
    })
    this.#boss.on('error', error => options.onError(error))
  }

  async start(): Promise<void> {
    await this.#boss.start()
    await this.#boss.createQueue(queue, { retryLimit: 2, deleteAfterSeconds: 7 * 24 * 3600 })
    await this.#boss.schedule(queue, everyHour)
    await this.#boss.work(queue, { pollingIntervalSeconds: unhurried }, async () => {
      const removed = await this.#options.purge()
      if (removed > 0) this.#options.onPurged(removed)
    })
  }

  async stop(): Promise<void> {
    await this.#boss.stop({ graceful: false, close: false })
  }
}
