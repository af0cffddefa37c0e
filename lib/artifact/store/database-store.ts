import { addAbortSignal, type Readable } from 'node:stream'
import type { LargeObjects } from '../../base/large-objects.ts'
import { ClusterError, messageOf } from '../../errors.ts'
import { objectMissing } from '../object-faults.ts'
import { checkHash, checkToken } from '../object-key.ts'
import { PieceReader } from '../piece-reader.ts'
import { probe } from '../probe.ts'
import { stagingGone, tooLong } from '../staging-faults.ts'
import type { ObjectKey, Staging, Store, StoreClaim, Stored } from '../store.ts'
import { takeContent } from '../take-content.ts'
import { WritesUnderWay } from '../writes-under-way.ts'

/** How much one statement writes or reads, in bytes: it must not hold up the cluster's other statements for long. */
const pieceBytes = 2 ** 18

/**
 * The cluster's own database, as large objects. There is nothing to set up and nothing to mount, it is backed up with
 * the database, and each byte costs a database's work: for small set-ups.
 */
export class DatabaseStore implements Store {
  readonly description = 'database of the cluster'
  readonly #objects: LargeObjects

  constructor(objects: LargeObjects) {
    this.#objects = objects
  }

  /** It is the cluster's by itself. */
  check(_claim: StoreClaim, signal: AbortSignal): Promise<void> {
    return probe(this, signal)
  }

  async recognise(): Promise<void> {
    // Who has read the claim has asked it.
  }

  async stage(token: string): Promise<Staging> {
    return new DatabaseStaging(this.#objects, checkToken(token))
  }

  async read(key: ObjectKey, signal: AbortSignal): Promise<Readable> {
    signal.throwIfAborted()
    const hash = toBytes(checkHash(key.hash))
    checkToken(key.token)
    const readAt = async (offset: number): Promise<Buffer> => {
      const bytes = await guard(this.#objects.read(key.token, hash, offset, pieceBytes))
      if (!bytes) throw objectMissing(key)
      return bytes
    }
    // The first piece now, so that whoever asks learns at once that it is missing.
    return addAbortSignal(signal, readPieces(await readAt(0), readAt))
  }

  async remove(keys: readonly ObjectKey[]): Promise<void> {
    await guard(
      this.#objects.remove(
        keys.map(key => checkToken(key.token)),
        keys.map(key => toBytes(checkHash(key.hash))),
      ),
    )
  }

  async *tokens(signal: AbortSignal): AsyncGenerator<string> {
    signal.throwIfAborted()
    yield* await guard(this.#objects.tokens())
  }

  objectsOf(token: string): Promise<string[]> {
    return guard(this.#objects.hashesOf(checkToken(token), 'sealed'))
  }

  removeAttempt(token: string): Promise<void> {
    return guard(this.#objects.removeAttempt(checkToken(token)))
  }

  async close(): Promise<void> {
    // The database is closed by who opened it.
  }
}

class DatabaseStaging implements Staging {
  readonly #objects: LargeObjects
  readonly #token: string
  readonly #writes = new WritesUnderWay()

  constructor(objects: LargeObjects, token: string) {
    this.#objects = objects
    this.#token = token
  }

  write(content: Readable, limit: number, signal: AbortSignal): Promise<Stored> {
    return this.#writes.run(content, signal, all => this.#write(content, limit, all))
  }

  async seal(hashes: ReadonlySet<string>): Promise<void> {
    await this.#writes.end()
    const wanted = [...hashes].map(hash => toBytes(checkHash(hash)))
    await guard(this.#objects.keepOnly(this.#token, wanted))
    if (!(await guard(this.#objects.seal(this.#token, wanted)))) throw stagingGone(this.#token)
  }

  async discard(): Promise<void> {
    await this.#writes.abort()
    await guard(this.#objects.removeAttempt(this.#token))
  }

  async #write(content: Readable, limit: number, signal: AbortSignal): Promise<Stored> {
    const lo = await guard(this.#objects.create(this.#token))
    try {
      const stored = await takeContent(
        content,
        (pieces, offset) => this.#append(lo, offset, Buffer.concat(pieces)),
        { limit, signal, tooLong: () => tooLong(limit), batchBytes: pieceBytes },
      )
      const isThere = await guard(this.#objects.finish(lo, toBytes(stored.hash), stored.size))
      if (!isThere) throw stagingGone(this.#token)
      return stored
    } catch (error) {
      // When the database is away, the sweep does it.
      await this.#objects.dropUnfinished(lo).catch(() => undefined)
      throw error
    }
  }

  /** A source may deliver more at once than one statement should carry. */
  async #append(lo: number, offset: number, bytes: Buffer): Promise<void> {
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      const piece = bytes.subarray(start, start + pieceBytes)
      if (!(await guard(this.#objects.append(lo, offset + start, piece))))
        throw stagingGone(this.#token)
    }
  }
}

function readPieces(first: Buffer, readAt: (offset: number) => Promise<Buffer>): Readable {
  let piece: Buffer | undefined = first
  let offset = 0
  const next = async (): Promise<Buffer> => {
    const bytes = piece ?? (await readAt(offset))
    piece = undefined
    offset += bytes.length
    return bytes
  }
  return new PieceReader({ next }, pieceBytes)
}

function toBytes(hash: string): Buffer {
  return Buffer.from(hash, 'hex')
}

/** Says of what the database answers what it means for the store. */
async function guard<Value>(asking: Promise<Value>): Promise<Value> {
  try {
    return await asking
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === '53100')
      throw new ClusterError(
        'CW_STORE_FULL',
        `the database has no room left for files: ${messageOf(error)}; give its disk more, or let components keep fewer versions`,
        { cause: error },
      )
    throw new ClusterError(
      'CW_STORE_UNREACHABLE',
      `the store in the database cannot be used: ${messageOf(error)}`,
      { cause: error },
    )
  }
}
