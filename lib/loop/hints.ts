import { Loop } from '../base/loop.ts'
import type { Database } from '../db/database.ts'
import { wakeChannel } from '../db/wake.ts'
import { Listener, type Hint } from './listener.ts'

export interface HintsOptions {
  readonly db: Database
  readonly node: string
  /** Requests were queued. */
  readonly onQueue: () => void
  /** Somebody wants a component to be checked, or a version to be imported. */
  readonly onComponent: () => void
  /** There is something else for this server to see. */
  readonly onOther: () => void
  readonly onError: (error: unknown, name: string) => void
}

/** What a server hears from the others, on a connection of its own. */
export class Hints {
  readonly #listener: Listener
  readonly #loop: Loop

  constructor({ db, node, onQueue, onComponent, onOther, onError }: HintsOptions) {
    const heard: Record<Hint, () => void> = {
      queue: onQueue,
      component: onComponent,
      cancel: onOther,
      control: onOther,
    }
    this.#listener = new Listener({
      connect: () => db.connectAlone({ application_name: `cluster-worker listener ${node}` }),
      channel: wakeChannel(db),
      onHint: hint => heard[hint](),
    })
    this.#loop = new Loop({ name: 'listen', pass: () => this.#listener.pass(), onError })
  }

  start(): void {
    this.#loop.start()
  }

  /** Hears nothing more; the connection stays until `close`. */
  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  async close(): Promise<void> {
    await this.#listener.close()
  }
}
