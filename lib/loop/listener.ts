import type pg from 'pg'
import type { NextPass } from '../base/loop.ts'

/**
 * What a wake-up is about: requests were queued, a running one shall be cancelled, the server has orders, or a component
 * is to be checked or imported.
 */
export type Hint = 'queue' | 'cancel' | 'control' | 'component'

const hints: readonly string[] = ['queue', 'cancel', 'control', 'component'] satisfies Hint[]

/** How often the connection is tried, in milliseconds: a dead one shows itself only when it is used. */
const checkMs = 20_000

/**
 * Listens for wake-ups on a connection of its own. They are hints: everything works, a poll later, without them.
 */
export class Listener {
  readonly #connect: () => Promise<pg.Client>
  readonly #channel: string
  readonly #onHint: (hint: Hint) => void
  #session: pg.Client | undefined

  constructor(options: {
    connect(): Promise<pg.Client>
    channel: string
    onHint(hint: Hint): void
  }) {
    this.#connect = () => options.connect()
    this.#channel = options.channel
    this.#onHint = hint => options.onHint(hint)
  }

  async pass(): Promise<NextPass> {
    try {
      if (this.#session) await this.#session.query('select 1')
      else await this.#open()
      return checkMs
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.end().catch(() => undefined)
  }

  async #open(): Promise<void> {
    const session = await this.#connect()
    this.#session = session
    session.on('notification', ({ payload }) => this.#onHint(isHint(payload) ? payload : 'queue'))
    await session.query(`listen "${this.#channel}"`)
    // Whatever was queued before we listened.
    this.#onHint('queue')
    this.#onHint('cancel')
  }
}

function isHint(payload: string | undefined): payload is Hint {
  return payload !== undefined && hints.includes(payload)
}
