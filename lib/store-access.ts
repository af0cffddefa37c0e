import { join, resolve } from 'node:path'
import { Cache } from './artifact/cache.ts'
import type { Store } from './artifact/store.ts'
import { openStore } from './artifact/store/open-store.ts'
import { readStoreUrl, type StoreLocation } from './artifact/store/store-url.ts'
import {
  makeStoreClaim,
  readStoreClaim,
  writeStoreKind,
  type ClusterClaim,
} from './db/component/store-claim.ts'
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
  /** Where files are on their way to a bucket. */
  readonly spoolFolder: string
  readonly #db: Database
  readonly #settings: StoreSettings
  #cache: Promise<Cache> | undefined
  #isReady = false

  /** @throws {ClusterError} CW_OPTION when the option names no store */
  constructor(db: Database, settings: StoreSettings) {
    this.#db = db
    this.#settings = settings
    this.spoolFolder = join(resolve(settings.dataDir), 'spool')
    const { spoolFolder } = this
    this.store = openStore(settings.store, { largeObjects: openLargeObjects(db), spoolFolder })
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
    const claim = await makeStoreClaim(this.#db)
    const kind = this.#kindFor(claim)
    await this.#inTime(signal => this.store.check(claim, signal))
    if (claim.kind !== kind) await writeStoreKind(this.#db, kind)
    this.#isReady = true
  }

  /**
   * Looks whether the store is there and is this cluster's, and changes nothing, neither there nor in the database.
   * @throws {ClusterError} CW_STORE_UNREACHABLE, CW_STORE_UNKNOWN
   */
  async recognise(): Promise<void> {
    const claim = await readStoreClaim(this.#db)
    this.#kindFor(claim)
    await this.#inTime(signal => this.store.recognise(claim, signal))
  }

  /** That of the option. @throws {ClusterError} CW_STORE_UNKNOWN when the cluster's files are in one of another kind */
  #kindFor({ wasUsed, kind: used }: ClusterClaim): StoreLocation['kind'] {
    const { kind } = readStoreUrl(this.#settings.store)
    if (wasUsed && used !== null && used !== kind) throw wrongKind(used, kind)
    return kind
  }

  async #inTime(look: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await look(AbortSignal.timeout(probeMs))
    } catch (error) {
      throw isTimeout(error) ? this.#tooSlow() : error
    }
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
