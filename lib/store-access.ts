import { join, resolve } from 'node:path'
import type { Store } from './artifact/store.ts'
import { openStore } from './artifact/store/open-store.ts'
import { readStoreClaim } from './db/component/store-claim.ts'
import type { Database } from './db/database.ts'
import { openLargeObjects } from './db/large-objects.ts'
import type { ServerOptions } from './options.ts'

/** How long a look at the store may take, in milliseconds. */
const probeMs = 60_000

/** The artifact store, and whether it is known to be this cluster's. */
export class StoreAccess {
  readonly store: Store
  readonly #db: Database
  #isReady = false

  /** @throws {ClusterError} CW_OPTION when the option names no store */
  constructor(db: Database, settings: Pick<ServerOptions, 'store' | 'dataDir'>) {
    this.#db = db
    this.store = openStore(settings.store, {
      largeObjects: openLargeObjects(db),
      spoolFolder: join(resolve(settings.dataDir), 'spool'),
    })
  }

  /** Whether it may be used: the last look was good. */
  get isReady(): boolean {
    return this.#isReady
  }

  /**
   * Looks whether the store is there, is this cluster's and can be written to.
   * @throws {ClusterError} CW_STORE_UNREACHABLE, CW_STORE_UNKNOWN, CW_STORE_FULL; then it is not ready
   */
  async probe(): Promise<void> {
    this.#isReady = false
    await this.store.check(await readStoreClaim(this.#db), AbortSignal.timeout(probeMs))
    this.#isReady = true
  }
}
