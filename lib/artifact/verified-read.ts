import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from '../base/clock.ts'
import { ClusterError } from '../errors.ts'
import { localFault, objectDamaged } from './object-faults.ts'
import type { ObjectKey, Store } from './store.ts'
import { takeContent, type Sink } from './take-content.ts'
import { writeAll } from './write-all.ts'

/** An object as it was published. */
export interface PublishedObject extends ObjectKey {
  /** In bytes. */
  readonly size: number
}

export interface VerifiedReadOptions {
  readonly signal: AbortSignal
  /**
   * How long an object that is missing, shorter or different is looked for again, in milliseconds. Network file systems
   * show what another server has written with a delay, and may show an old or a half file before. Defaults to 10 s.
   */
  readonly storeDelayMs?: number
  /** Defaults to false. */
  readonly executable?: boolean
}

/** The first pause before another look and the longest one, in milliseconds. */
const pauses = { first: 100, longest: 2000 }

/**
 * Brings an object to a path. Nothing is there before size and hash are those that were published: it is written beside
 * it, and renamed. What was at the path is replaced.
 * @throws {ClusterError} CW_OBJECT_MISSING or CW_OBJECT_CORRUPT when it did not get better in time; CW_DATA_DIR when it
 *   cannot be written; what the store throws
 */
export async function readVerified(
  store: Store,
  object: PublishedObject,
  path: string,
  options: VerifiedReadOptions,
): Promise<void> {
  const { signal, executable = false } = options
  const next = `${path}.${randomUUID()}.part`
  try {
    await lookUntilGood(options, async () => {
      const file = await open(next, 'w', executable ? 0o755 : 0o644).catch(localFault(path))
      try {
        await readOnce(store, object, signal, (pieces, offset) =>
          writeAll(file, pieces, offset).catch(localFault(path)),
        )
      } finally {
        await file.close().catch(localFault(path))
      }
    })
    await rename(next, path).catch(localFault(path))
  } catch (error) {
    await rm(next, { force: true })
    throw error
  }
}

/**
 * Reads an object once and keeps nothing of it.
 * @throws {ClusterError} CW_OBJECT_MISSING, CW_OBJECT_CORRUPT, and what the store throws
 */
export async function verifyOnce(
  store: Store,
  object: PublishedObject,
  signal: AbortSignal,
): Promise<void> {
  await readOnce(store, object, signal, async () => undefined)
}

/** Reads a content that is not in the store any more. @returns whether it is that of the object */
export async function verifyContent(
  content: Readable,
  object: PublishedObject,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await compare(content, object, signal, async () => undefined)
    return true
  } catch (error) {
    if (isBadObject(error)) return false
    throw error
  }
}

async function readOnce(
  store: Store,
  object: PublishedObject,
  signal: AbortSignal,
  sink: Sink,
): Promise<void> {
  await compare(await store.read(object, signal), object, signal, sink)
}

async function compare(
  content: Readable,
  object: PublishedObject,
  signal: AbortSignal,
  sink: Sink,
): Promise<void> {
  const { hash, size } = object
  const tooLong = (): ClusterError => objectDamaged(object, `it has more than its ${size} bytes`)
  const seen = await takeContent(content, sink, { limit: size, signal, tooLong })
  if (seen.size !== size) throw objectDamaged(object, `it has ${seen.size} of its ${size} bytes`)
  if (seen.hash !== hash) throw objectDamaged(object, `its SHA-256 is ${seen.hash}`)
}

async function lookUntilGood(
  { signal, storeDelayMs = 10_000 }: VerifiedReadOptions,
  look: () => Promise<void>,
): Promise<void> {
  const until = monotonic() + storeDelayMs
  for (let pause = pauses.first; ; pause = Math.min(2 * pause, pauses.longest)) {
    try {
      return await look()
    } catch (error) {
      const leftMs = until - monotonic()
      if (!isBadObject(error) || leftMs <= 0) throw error
      await delay(Math.min(pause, leftMs), undefined, { signal })
    }
  }
}

/** Whether it is the object that is not as published, and not the store that cannot be asked. */
export function isBadObject(error: unknown): error is ClusterError {
  return (
    error instanceof ClusterError &&
    (error.code === 'CW_OBJECT_MISSING' || error.code === 'CW_OBJECT_CORRUPT')
  )
}
