import { randomUUID } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { chmod, copyFile, rename, rm, stat } from 'node:fs/promises'
import { SharedWork } from '../base/shared-work.ts'
import { CacheFolder } from './cache-folder.ts'
import { localFault, objectDamaged } from './object-faults.ts'
import { checkHash } from './object-key.ts'
import type { Store } from './store.ts'
import { readVerified, verifyContent, type PublishedObject } from './verified-read.ts'

export interface CacheOptions {
  /** A folder of this server alone, on its own disk; made when it is not there. */
  readonly folder: string
  readonly store: Store
  /** How much the cache may hold, in bytes; files in use may make it more. A larger file goes past it. */
  readonly limitBytes: number
  /** See `readVerified`. */
  readonly storeDelayMs?: number
}

export interface MaterialiseOptions {
  readonly signal: AbortSignal
  /** Defaults to false. */
  readonly executable?: boolean
}

/**
 * What this server has read from the store, to be read again from its own disk. Files are named by their hashes, those
 * that were used least recently make room for others, and each copy that is handed out is hashed: a file of the cache
 * that was damaged is noticed and fetched anew.
 */
export class Cache {
  readonly #options: CacheOptions
  readonly #folder: CacheFolder
  readonly #fetching = new SharedWork<void>()

  private constructor(options: CacheOptions, folder: CacheFolder) {
    this.#options = options
    this.#folder = folder
  }

  /**
   * Finds what an earlier life of this server has left, and removes what it left unfinished.
   * @throws {ClusterError} CW_DATA_DIR
   */
  static async open(options: CacheOptions): Promise<Cache> {
    return new Cache(options, await CacheFolder.open(options.folder, options.limitBytes))
  }

  /** In bytes. */
  get size(): number {
    return this.#folder.size
  }

  /**
   * Puts an object at a path, whose folder must be there. It is there whole or not at all; what was there is replaced.
   * Where the file system can, it shares its blocks with the cache until one of the two is written to.
   * @throws {ClusterError} what `readVerified` throws
   */
  async materialise(
    object: PublishedObject,
    path: string,
    { signal, executable = false }: MaterialiseOptions,
  ): Promise<void> {
    const hash = checkHash(object.hash)
    const { store, limitBytes } = this.#options
    if (object.size > limitBytes)
      return readVerified(store, object, path, { ...this.#delay(), signal, executable })
    const release = this.#folder.hold(hash)
    try {
      await this.#provide(object, signal)
      if (await this.#copy(object, path, { signal, executable })) return
      // Damaged on this server's disk: what is fetched anew is good.
      await this.#folder.drop(hash)
      await this.#provide(object, signal)
      if (await this.#copy(object, path, { signal, executable })) return
    } finally {
      release()
    }
    throw objectDamaged(object, `this server's own disk changes it in ${this.#options.folder}`)
  }

  /** Any number of runs that need the same object fetch it once. */
  async #provide(object: PublishedObject, signal: AbortSignal): Promise<void> {
    const { hash, size } = object
    const folder = this.#folder
    await this.#fetching.join(hash, signal, async all => {
      if (await folder.has(hash, size)) return
      const options = { ...this.#delay(), signal: all }
      await folder.bring(hash, size, () =>
        readVerified(this.#options.store, object, folder.pathOf(hash), options),
      )
    })
  }

  /** @returns false when the file of the cache is not what it should be */
  async #copy(
    object: PublishedObject,
    path: string,
    { signal, executable }: Required<MaterialiseOptions>,
  ): Promise<boolean> {
    const source = this.#folder.pathOf(object.hash)
    const next = `${path}.${randomUUID()}.part`
    try {
      await copyFile(source, next, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
      // The copy, and not its source: it is what the run gets.
      if (!(await verifyContent(createReadStream(next), object, signal))) return false
      if (executable) await makeExecutable(next)
      await rename(next, path)
      await this.#folder.used(object.hash)
      return true
    } catch (error) {
      signal.throwIfAborted()
      if (!(await isFile(source))) return false
      return localFault(path)(error)
    } finally {
      await rm(next, { force: true })
    }
  }

  #delay(): { storeDelayMs?: number } {
    const { storeDelayMs } = this.#options
    return storeDelayMs === undefined ? {} : { storeDelayMs }
  }
}

/** For all who may read it. */
async function makeExecutable(path: string): Promise<void> {
  const { mode } = await stat(path)
  await chmod(path, mode | ((mode & 0o444) >> 2))
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true
}
