import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { eachParallel } from '../../base/each-parallel.ts'
import { FileContent } from '../file-content.ts'
import { PieceMemory } from '../piece-memory.ts'
import { stagingGone, tooLong } from '../staging-faults.ts'
import type { Staging, Stored } from '../store.ts'
import { takeContent, type Sink } from '../take-content.ts'
import { writeAll } from '../write-all.ts'
import { WritesUnderWay } from '../writes-under-way.ts'
import { EarlySync } from './early-sync.ts'
import type { Folder } from './folder.ts'
import { errorCode, folderFault } from './folder-faults.ts'

export interface FolderStagingParts {
  readonly token: string
  /** `staging/<token>`; it is closed with the staging. */
  readonly folder: Folder
  /** The store's, for messages. */
  readonly path: string
  /** Moves the folder to the objects, durably. */
  seal(): Promise<void>
  /** Removes everything of the attempt. */
  remove(): Promise<void>
}

/**
 * What one attempt writes into a folder. A file is written under a name of its own, brought to the disk, and gets its
 * hash as its name then. Nobody else writes here; the sweep may remove the folder at any time.
 */
export class FolderStaging implements Staging {
  readonly #parts: FolderStagingParts
  readonly #writes = new WritesUnderWay()
  readonly #memory = new PieceMemory()
  readonly #smallMemory = new PieceMemory(smallBytes)
  #isOver = false

  constructor(parts: FolderStagingParts) {
    this.#parts = parts
  }

  write(content: Readable, limit: number, signal: AbortSignal): Promise<Stored> {
    return this.#writes.run(content, signal, all => this.#write(content, limit, all))
  }

  async seal(hashes: ReadonlySet<string>): Promise<void> {
    await this.#writes.end()
    if (this.#isOver) return
    const { folder, token } = this.#parts
    await this.#guard(async () => {
      const names = await folder.list()
      const unwanted = names.filter(name => !hashes.has(name))
      if (names.length - unwanted.length < hashes.size) throw stagingGone(token)
      await eachParallel(unwanted, 8, name => folder.removeFile(name))
      await folder.sync()
      await this.#parts.seal()
    })
    this.#close()
  }

  async discard(): Promise<void> {
    await this.#writes.abort()
    this.#close()
    await this.#parts.remove()
  }

  async #write(content: Readable, limit: number, signal: AbortSignal): Promise<Stored> {
    const { folder } = this.#parts
    const name = `${randomUUID()}.part`
    const file = await this.#guard(() => folder.create(name))
    const disk = new EarlySync(() => folder.within(file.datasync()))
    const keep: Sink = (pieces, offset) =>
      this.#guard(async () => {
        await folder.within(writeAll(file, pieces, offset))
        await disk.wrote(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0))
      })
    try {
      const stored = await takeContent(content, keep, {
        limit,
        signal,
        tooLong: () => tooLong(limit),
        memory: isSmall(content) ? this.#smallMemory : this.#memory,
      })
      // Network file systems say only here that there is no room.
      await this.#guard(async () => {
        await disk.end()
        await folder.within(file.close())
        await folder.rename(name, folder, stored.hash)
      })
      return stored
    } catch (error) {
      await folder.within(file.close()).catch(() => undefined)
      await folder.removeFile(name).catch(() => undefined)
      throw error
    }
  }

  #close(): void {
    if (!this.#isOver) this.#parts.folder.close()
    this.#isOver = true
  }

  /** A folder that the sweep has removed while it is open has no room for names. */
  async #guard<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work()
    } catch (error) {
      if (errorCode(error) === 'ENOENT') throw stagingGone(this.#parts.token, error)
      throw folderFault(error, this.#parts.path)
    }
  }
}

/** Files up to this size come by the thousand, and need no pieces of the usual size. */
const smallBytes = 2 ** 16

function isSmall(content: Readable): boolean {
  return content instanceof FileContent && content.size <= smallBytes
}
