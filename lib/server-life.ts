import type { SourceType } from './artifact/source.ts'
import type { Logger } from './base/logger.ts'
import type { ClusterEvents } from './cluster-events.ts'
import type { Database } from './db/database.ts'
import type { ClusterListeners } from './log-events.ts'
import type { ComponentEvents } from './loop/component-work.ts'
import type { ServerOptions } from './options.ts'
import { startReader, type Reader } from './start-reader.ts'
import { startServer, type StartedServer } from './start-server.ts'
import type { Process } from './step/define-process.ts'

export interface ServerLifeOptions {
  readonly db: Database
  readonly settings: ServerOptions
  readonly processes: readonly Process[]
  /** Types of sources of the program's own. */
  readonly sources: readonly SourceType[]
  readonly logger: Logger
  /** Tells the program's own listeners. */
  readonly tell: <Name extends keyof ClusterEvents>(
    name: Name,
    ...about: ClusterEvents[Name]
  ) => void
  readonly onFinished: (id: string) => void
  /** Called when nothing runs any more, before the connections are closed. */
  readonly onStopping: () => Promise<void>
}

/** The server in a program: it starts and stops, any number of times, one life at a time. */
export class ServerLife {
  readonly #options: ServerLifeOptions
  #starting: Promise<StartedServer> | undefined
  /** Instead of it in the role read-only. */
  #reading: Promise<Reader> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: ServerLifeOptions) {
    this.#options = options
  }

  async start(takeIdentity: boolean): Promise<void> {
    while (this.#stopping) await this.#stopping
    if (this.#options.settings.role === 'read-only') return this.#startReader()
    this.#starting ??= startServer({
      ...this.#options,
      takeIdentity,
      events: this.#listen(),
      componentEvents: this.#listenToComponents(),
    })
    try {
      await this.#starting
    } catch (error) {
      this.#starting = undefined
      throw error
    }
  }

  /** @param drainMs how long to wait for what runs; then its steps are stopped, and undone */
  async stop(drainMs: number | 'none'): Promise<void> {
    const starting = this.#starting
    this.#stopping ??= this.#stop(starting)
    await Promise.all([this.#stopping, drainMs === 'none' ? undefined : hurry(starting, drainMs)])
  }

  async #startReader(): Promise<void> {
    const { db, settings, logger } = this.#options
    this.#reading ??= startReader({ db, settings, logger })
    try {
      await this.#reading
    } catch (error) {
      this.#reading = undefined
      throw error
    }
  }

  async #stop(starting: Promise<StartedServer> | undefined): Promise<void> {
    const started = await starting?.catch(() => undefined)
    const reader = await this.#reading?.catch(() => undefined)
    try {
      await reader?.stop()
      await Promise.all([started?.components.stop(), started?.server.stopClaiming()])
      await started?.server.drain()
      await started?.components.close()
      await started?.housekeeping?.stop()
      await started?.server.leave()
      await this.#options.onStopping()
      await this.#options.db.close()
    } finally {
      await started?.dataFolder.close()
      this.#starting = undefined
      this.#reading = undefined
      this.#stopping = undefined
    }
    this.#options.tell('stopped')
  }

  /** What the server tells, for the program's listeners; some of it ends this life. */
  #listen(): ClusterListeners {
    const { settings, tell, onFinished } = this.#options
    const node = settings.nodeId
    return {
      started: about => tell('started', about),
      claimed: requests => tell('claimed', { ids: requests.map(({ id }) => id) }),
      finished: (id, outcome) => {
        onFinished(id)
        tell('finished', { id, outcome })
      },
      declaredLost: lost => tell('declaredLost', lost),
      suspended: all => {
        const reasons = all.map(({ kind, reason, who }) => ({ kind, reason, who }))
        tell('suspended', { node, reasons })
      },
      resumed: () => tell('resumed', { node }),
      tookOver: () => tell('tookOver', { node }),
      handedBack: () => tell('handedBack', { node }),
      noActive: () => tell('noActive'),
      noStandby: () => tell('noStandby'),
      drained: ({ thenExit }) => {
        tell('drained', { node, thenExit })
        if (thenExit) void this.stop(settings.drainTimeout).catch(() => undefined)
      },
      fenced: reason => {
        tell('fenced', reason)
        // What is left is to close, so that `start` begins a new incarnation.
        void this.stop(0).catch(() => undefined)
      },
    }
  }

  #listenToComponents(): ComponentEvents {
    const { tell } = this.#options
    return {
      versionsFound: ({ component, versions }) =>
        tell('versionsFound', { component, versions: [...versions] }),
      checkFailed: about => tell('checkFailed', about),
      versionPublished: about => tell('versionPublished', about),
      importFailed: about => tell('importFailed', about),
      importCancelled: about => tell('importCancelled', about),
      versionExpired: about => tell('versionExpired', about),
    }
  }
}

/** Ends the steps of what still runs after so many milliseconds. */
async function hurry(starting: Promise<StartedServer> | undefined, drainMs: number): Promise<void> {
  const started = await starting?.catch(() => undefined)
  await started?.server.stopClaiming()
  await started?.server.drain(drainMs)
  started?.server.stopRuns()
}
