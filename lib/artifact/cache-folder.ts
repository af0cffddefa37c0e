import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { eachParallel } from '../base/each-parallel.ts'
import { ClusterError, messageOf } from '../errors.ts'
import { isHash } from './object-key.ts'

/** What a fetch writes before it is verified. */
const unfinished = /\.part$/

/** The files of a cache by their hashes, and which of them was used least recently. */
export class CacheFolder {
  readonly #path: string
  readonly #limitBytes: number
  /** The sizes, those that were used least recently first. */
  readonly #sizes = new Map<string, number>()
  readonly #holders = new Map<string, number>()
  #size = 0
  #coming = 0

  private constructor(path: string, limitBytes: number) {
    this.#path = path
    this.#limitBytes = limitBytes
  }

  static async open(path: string, limitBytes: number): Promise<CacheFolder> {
    const folder = new CacheFolder(path, limitBytes)
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
      await folder.#read()
      await folder.#evict()
    } catch (error) {
      throw new ClusterError(
        'CW_DATA_DIR',
        `the cache of files ${path} cannot be used: ${messageOf(error)}; let this server write there`,
        { field: 'dataDir', path, cause: error },
      )
    }
    return folder
  }

  /** In bytes. */
  get size(): number {
    return this.#size
  }

  pathOf(hash: string): string {
    return join(this.#path, hash)
  }

  /** Keeps a file from being evicted, until the function is called. */
  hold(hash: string): () => void {
    this.#holders.set(hash, (this.#holders.get(hash) ?? 0) + 1)
    return () => {
      const left = (this.#holders.get(hash) ?? 1) - 1
      if (left > 0) this.#holders.set(hash, left)
      else this.#holders.delete(hash)
    }
  }

  /** Whether the file is there and has its size; one that has not is removed. */
  async has(hash: string, size: number): Promise<boolean> {
    if (!this.#sizes.has(hash)) return false
    const found = await stat(this.pathOf(hash)).catch(() => undefined)
    if (found?.isFile() && found.size === size) return true
    await this.drop(hash)
    return false
  }

  /** Makes room for a file, has it brought, and keeps it. */
  async bring(hash: string, size: number, fetch: () => Promise<void>): Promise<void> {
    this.#coming += size
    try {
      await this.#evict()
      await fetch()
    } finally {
      this.#coming -= size
    }
    this.#keep(hash, size)
  }

  /** Makes it the one that is evicted last, also after a restart. */
  async used(hash: string): Promise<void> {
    const size = this.#sizes.get(hash)
    if (size !== undefined) this.#keep(hash, size)
    const now = new Date()
    // The order is a matter of speed only, and the file may be gone again.
    await utimes(this.pathOf(hash), now, now).catch(() => undefined)
  }

  async drop(hash: string): Promise<void> {
    this.#forget(hash)
    await rm(this.pathOf(hash), { recursive: true, force: true })
  }

  async #evict(): Promise<void> {
    for (const hash of this.#sizes.keys()) {
      if (this.#size + this.#coming <= this.#limitBytes) return
      if (!this.#holders.has(hash)) await this.drop(hash)
    }
  }

  #keep(hash: string, size: number): void {
    this.#forget(hash)
    this.#sizes.set(hash, size)
    this.#size += size
  }

  #forget(hash: string): void {
    this.#size -= this.#sizes.get(hash) ?? 0
    this.#sizes.delete(hash)
  }

  async #read(): Promise<void> {
    const found: { name: string; size: number; usedAt: number }[] = []
    await eachParallel(await readdir(this.#path), 8, async name => {
      const path = this.pathOf(name)
      if (unfinished.test(name)) await rm(path, { force: true })
      if (!isHash(name)) return
      const { size, mtimeMs } = await stat(path)
      found.push({ name, size, usedAt: mtimeMs })
    })
    for (const { name, size } of found.toSorted((one, other) => one.usedAt - other.usedAt))
      this.#keep(name, size)
  }
}
