import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { addressOf, type Address } from '../support/protocol.ts'
import { Replica, type ReplicaEnd } from '../support/standby.ts'
import { until } from '../support/until.ts'

const settings = { max_connections: '200', listen_addresses: '' }

/** A primary and its synchronous standby, which change places. */
export class Databases {
  #primary: Replica
  #standby: Replica
  readonly #ends: (() => unknown)[]

  private constructor(primary: Replica, standby: Replica, ends: (() => unknown)[]) {
    this.#primary = primary
    this.#standby = standby
    this.#ends = ends
  }

  static async start(): Promise<Databases> {
    const ends: (() => unknown)[] = []
    const owner = { teardown: (end: () => unknown) => void ends.push(end) }
    const primary = await Replica.create(owner, settings)
    const standby = await Replica.create(owner, settings)
    const databases = new Databases(primary, standby, ends)
    try {
      await primary.start()
      await standby.follow(primary)
      await primary.synchronise(true)
    } catch (error) {
      await databases.destroy()
      throw error
    }
    return databases
  }

  /** Of the primary, past all proxies. */
  get url(): string {
    return this.#primary.url
  }

  /** Of the primary, whichever that is. */
  get address(): Address {
    return addressOf(this.url)
  }

  /** Of both servers, in an order that never changes. */
  get addresses(): Address[] {
    return [this.#primary, this.#standby]
      .map(({ url }) => url)
      .toSorted()
      .map(addressOf)
  }

  /** Stops the primary and starts it again. */
  async restart(how: ReplicaEnd, awayMs: number, onReturn: () => void): Promise<void> {
    await this.#primary.stop(how)
    await delay(awayMs)
    const accepting = this.untilAccepting().then(onReturn)
    await this.#primary.start()
    await accepting
    await this.#untilSynchronous()
  }

  /** Ends the primary and promotes the standby; the old primary comes back as its standby. */
  async failOver(how: ReplicaEnd, onReturn: () => void): Promise<void> {
    await this.#untilSynchronous()
    const [old, next] = [this.#primary, this.#standby]
    await old.stop(how)
    await next.promote()
    this.#primary = next
    this.#standby = old
    onReturn()
    await old.follow(next)
    await next.synchronise(true)
  }

  /** Asks the primary, as soon as it can be asked. */
  async untilAccepting(): Promise<void> {
    for (;;) {
      const client = new Client({ connectionString: this.url, connectionTimeoutMillis: 1000 })
      client.on('error', () => undefined)
      try {
        await client.connect()
        return
      } catch {
        await delay(20)
      } finally {
        void client.end().catch(() => undefined)
      }
    }
  }

  /** Asks the primary on a connection of its own. */
  ask<Row>(text: string): Promise<Row[]> {
    return this.#primary.ask<Row>(text)
  }

  async destroy(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end()
  }

  /** A standby that is not synchronous must not be promoted, or what was acknowledged is lost. */
  async #untilSynchronous(): Promise<void> {
    await until(async () => {
      await delay(50)
      const rows = await this.#primary.ask(`
        select from pg_stat_replication
        where state = 'streaming' and sync_state = 'sync'`)
      return rows.length > 0
    })
  }
}
