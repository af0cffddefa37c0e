import { randomUUID } from 'node:crypto'
import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { eachParallel } from '../../base/each-parallel.ts'
import type { Gate } from '../../base/gate.ts'
import { ClusterError, messageOf } from '../../errors.ts'
import { PieceMemory } from '../piece-memory.ts'
import { stagingGone, tooLong } from '../staging-faults.ts'
import type { Staging, Stored } from '../store.ts'
import { takeContent } from '../take-content.ts'
import { writeAll } from '../write-all.ts'
import { WritesUnderWay } from '../writes-under-way.ts'
import type { S3Bucket } from './s3-bucket.ts'

/** How many parts are on their way at once, of all attempts of a store: each is in memory as a whole. */
export const uploadsAtOnce = 4

/** The smallest part that S3 takes, in bytes; it is larger only where this would make too many. */
const partBytes = 5 * 2 ** 20
const mostParts = 10_000

export interface S3StagingParts {
  readonly token: string
  readonly bucket: S3Bucket
  readonly spoolFolder: string
  readonly uploads: Gate
  /** Removes everything of the attempt. */
  remove(): Promise<void>
}

/** What one attempt writes into a bucket. The sweep may remove keys of it at any time. */
export class S3Staging implements Staging {
  readonly #parts: S3StagingParts
  readonly #writes = new WritesUnderWay()
  readonly #memory = new PieceMemory()
  readonly #sizes = new Map<string, number>()

  constructor(parts: S3StagingParts) {
    this.#parts = parts
  }

  write(content: Readable, limit: number, signal: AbortSignal): Promise<Stored> {
    return this.#writes.run(content, signal, all => this.#write(content, limit, all))
  }

  async seal(hashes: ReadonlySet<string>): Promise<void> {
    await this.#writes.end()
    const { bucket, token } = this.#parts
    const below = `objects/${token}/`
    const listed = await bucket.listAll(below)
    const sizes = new Map(listed.map(({ name, size }) => [name, size]))
    for (const hash of hashes) this.#checkSize(hash, sizes.get(hash))
    const unwanted = listed.filter(({ name }) => !hashes.has(name))
    await eachParallel(unwanted, 16, ({ name }) => bucket.delete(`${below}${name}`))
    await bucket.put(`sealed/${token}`, Buffer.alloc(0))
  }

  async discard(): Promise<void> {
    await this.#writes.abort()
    await this.#parts.remove()
  }

  async #write(content: Readable, limit: number, signal: AbortSignal): Promise<Stored> {
    const { spoolFolder } = this.#parts
    const file = await openSpool(spoolFolder)
    try {
      const stored = await takeContent(
        content,
        (pieces, offset) => writeAll(file, pieces, offset).catch(spoolFault(spoolFolder)),
        { limit, signal, tooLong: () => tooLong(limit), memory: this.#memory },
      )
      if (!this.#sizes.has(stored.hash)) await this.#upload(file, stored, signal)
      this.#sizes.set(stored.hash, stored.size)
      return stored
    } finally {
      await file.close()
    }
  }

  async #upload(file: FileHandle, { hash, size }: Stored, signal: AbortSignal): Promise<void> {
    const { bucket, token, uploads, spoolFolder } = this.#parts
    const key = `objects/${token}/${hash}`
    const read = (start: number, length: number): Promise<Buffer> =>
      readPart(file, start, Math.min(length, size - start)).catch(spoolFault(spoolFolder))
    if (size <= partBytes)
      return uploads.pass(async () => bucket.put(key, await read(0, size), signal))
    const length = Math.max(partBytes, Math.ceil(size / mostParts))
    const numbers = Array.from({ length: Math.ceil(size / length) }, (_, index) => index + 1)
    const upload = await bucket.beginUpload(key, signal)
    try {
      await eachParallel(numbers, uploadsAtOnce, number =>
        uploads.pass(async () => upload.put(number, await read((number - 1) * length, length))),
      )
      await upload.complete()
    } catch (error) {
      // Else the server keeps, and charges for, what nobody sees.
      await upload.abort().catch(() => undefined)
      throw error
    }
  }

  #checkSize(hash: string, kept: number | undefined): void {
    const { bucket, token } = this.#parts
    const size = this.#sizes.get(hash)
    if (kept === undefined || size === undefined) throw stagingGone(token)
    if (kept !== size)
      throw new ClusterError(
        'CW_STORE_UNREACHABLE',
        `the store ${bucket.where} has kept ${kept} of the ${size} bytes of the object ${hash}; its S3 server may not understand this client: see docs/components.md`,
        { token, hash },
      )
  }
}

/** A file without a name: it is gone with the server, however that ends. */
async function openSpool(folder: string): Promise<FileHandle> {
  const path = join(folder, randomUUID())
  try {
    await mkdir(folder, { recursive: true })
    const file = await open(path, 'wx+', 0o600)
    await unlink(path)
    return file
  } catch (error) {
    return spoolFault(folder)(error)
  }
}

async function readPart(file: FileHandle, start: number, length: number): Promise<Buffer> {
  const part = Buffer.allocUnsafe(length)
  for (let filled = 0; filled < length;) {
    const { bytesRead } = await file.read(part, filled, length - filled, start + filled)
    if (bytesRead === 0) throw new Error('the file is shorter than what was written')
    filled += bytesRead
  }
  return part
}

function spoolFault(folder: string): (error: unknown) => never {
  return error => {
    throw new ClusterError(
      'CW_DATA_DIR',
      `a file on its way to the store cannot be kept in ${folder}: ${messageOf(error)}; give this server's disk room, and let it write there`,
      { field: 'dataDir', cause: error },
    )
  }
}
