import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { ClusterError } from '../errors.ts'
import { FileContent } from './file-content.ts'
import type { PieceMemory } from './piece-memory.ts'
import type { Stored } from './store.ts'
import { takeFile } from './take-file.ts'

/** Keeps pieces of a content, in their order; the next ones come when it has resolved. */
export type Sink = (pieces: readonly Uint8Array[], offset: number) => Promise<void>

export interface Taking {
  /** The most bytes that are taken. */
  readonly limit: number
  /** Makes the error for content that is longer. */
  readonly tooLong: () => ClusterError
  readonly signal: AbortSignal
  /** Defaults to 1 MiB. */
  readonly batchBytes?: number
  /** For files; without it they are read as every other content. */
  readonly memory?: PieceMemory
}

/** As many as the system writes in one call. */
const mostPieces = 1024

/**
 * Reads a content to its end, hashes it, and hands it on in batches. Reading and hashing go on while a batch is being
 * written, and no byte is copied: measured, this is faster than a thread for the hash, and keeps about three batches
 * in memory. Whatever happens, the content is destroyed and no batch is under way when it settles.
 */
export async function takeContent(content: Readable, sink: Sink, taking: Taking): Promise<Stored> {
  const { limit, tooLong, signal, batchBytes = 2 ** 20, memory } = taking
  if (memory && content instanceof FileContent) return takeFile(content, sink, taking, memory)
  const hash = createHash('sha256')
  let size = 0
  let batch: Uint8Array[] = []
  let batched = 0
  let writing = Promise.resolve()
  const write = (): void => {
    writing = sink(batch, size - batched)
    // It is awaited before the next one; until then it must not count as unhandled.
    writing.catch(() => undefined)
    batch = []
    batched = 0
  }
  const pieces = stoppable(content, signal)
  try {
    for (let piece = await pieces.next(); piece; piece = await pieces.next()) {
      size += piece.byteLength
      if (size > limit) throw tooLong()
      hash.update(piece)
      batch.push(piece)
      batched += piece.byteLength
      if (batched < batchBytes && batch.length < mostPieces) continue
      await writing
      signal.throwIfAborted()
      write()
    }
    await writing
    signal.throwIfAborted()
    if (batched > 0) write()
    await writing
    return { hash: hash.digest('hex'), size }
  } finally {
    pieces.end()
    await writing.catch(() => undefined)
  }
}

/**
 * The pieces of a content, and none at its end. After the signal it does not wait for the content any more: a source
 * that hangs may hang while it is destroyed, too.
 */
function stoppable(
  content: Readable,
  signal: AbortSignal,
): { next(): Promise<Uint8Array | undefined>; end(): void } {
  const iterator = content[Symbol.asyncIterator]() as AsyncIterator<Uint8Array | string, undefined>
  let giveUp: ((reason: unknown) => void) | undefined
  const abort = (): void => giveUp?.(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  // What it says after we have turned away concerns nobody.
  content.on('error', () => undefined)
  return {
    async next() {
      signal.throwIfAborted()
      const { promise, resolve, reject } =
        Promise.withResolvers<IteratorResult<Uint8Array | string, undefined>>()
      giveUp = reject
      iterator.next().then(resolve, reject)
      const { value } = await promise
      return typeof value === 'string' ? Buffer.from(value) : value
    },
    end() {
      signal.removeEventListener('abort', abort)
      content.destroy()
    },
  }
}
