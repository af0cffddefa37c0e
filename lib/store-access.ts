import { join, resolve } from 'node:path'
import { Cache } from './artifact/cache.ts'
import type { Store } from './artifact/store.ts'
import { openStore } from './artifact/store/open-store.ts'
import { readStoreUrl, type StoreLocation } from './artifact/store/store-url.ts'
import { readStoreClaim, writeStoreKind } from './db/component/store-claim.ts'
import type { Database } from './db/database.ts'
import { openLargeObjects } from './db/large-objects.ts'
import { ClusterError } from './errors.ts'
import type { ServerOptions } from './options.ts'

/** How long a look at the store may take, in milliseconds. */
const probeMs = 60_000

type StoreSettings = Pick<ServerOptions, 'store' | 'storeDelay' | 'cacheSize' | 'dataDir'>

/** The artifact store, and whether it is known to be this cluster's. */
export class StoreAccess {
  readonly store: Store
  readonly #db: Database
  readonly #settings: StoreSettings
  #cache: Promise<Cache> | undefined
  #isReady = false

  /** @throws {ClusterError} CW_OPTION when the option names no store */
  constructor(db: Database, settings: StoreSettings) {
    this.#db = db
    this.#settings = settings
    this.store = openStore(settings.store, {
      largeObjects: openLargeObjects(db),
      spoolFolder: join(resolve(settings.dataDir), 'spool'),
    })
  }

  /** How long a reader waits for a file that the store does not show yet, in milliseconds. */
  get storeDelayMs(): number {
    return this.#settings.storeDelay
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
    const claim = await readStoreClaim(this.#db)
    const { kind } = readStoreUrl(this.#settings.store)
    if (claim.wasUsed && claim.kind !== null && claim.kind !== kind)
      throw wrongKind(claim.kind, kind)
    await this.store.check(claim, AbortSignal.timeout(probeMs)).catch((error: unknown) => {
      throw isTimeout(error) ? this.#tooSlow() : error
    })
    if (claim.kind !== kind) await writeStoreKind(this.#db, kind)
    this.#isReady = true
  }

  #tooSlow(): ClusterError {
    return new ClusterError(
      'CW_STORE_UNREACHABLE',
      `the ${this.store.description} did not answer within ${probeMs / 1000} s`,
    )
  }

  /**
   * What this server keeps of the store on its own disk.
   * @throws {ClusterError} CW_DATA_DIR
   */
  openCache(): Promise<Cache> {
    const { dataDir, cacheSize: limitBytes, storeDelay: storeDelayMs } = this.#settings
    this.#cache ??= Cache.open({
      folder: join(resolve(dataDir), 'cache'),
      store: this.store,
      limitBytes,
      storeDelayMs,
    }).catch((error: unknown) => {
      this.#cache = undefined
      throw error
    })
    return this.#cache
  }
}

/** The database has no mark of its own: who forgot the option would take it for a store that has lost everything. */
function wrongKind(used: string, given: StoreLocation['kind']): ClusterError {
  const names: Record<string, string> = {
    database: "the cluster's database (postgres:)",
    folder: 'a folder',
    s3: 'a bucket',
  }
  return new ClusterError(
    'CW_STORE_UNKNOWN',
    `the files of this cluster are in ${names[used] ?? used}, and the option store names ${names[given]}; give the option store (CLUSTER_STORE) that the other servers have`,
    { field: 'store' },
  )
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError'
}
