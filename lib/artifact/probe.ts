import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { ClusterError } from '../errors.ts'
import type { Store } from './store.ts'

/**
 * Writes a few bytes into the store and removes them. They belong to an attempt that the database knows nothing of, so
 * that a sweep removes what a killed server leaves.
 */
export async function probe(store: Pick<Store, 'stage'>, signal: AbortSignal): Promise<void> {
  const staging = await store.stage(randomUUID())
  try {
    await staging.write(Readable.from([Buffer.from('cluster-worker')]), 100, signal)
  } catch (error) {
    // A sweep was faster; then others can write, and so can we.
    if (!(error instanceof ClusterError && error.code === 'CW_STAGING_GONE')) throw error
  } finally {
    await staging.discard()
  }
}

/**
 * Writes a few bytes as an import does, reads them back, and removes them.
 * @throws {ClusterError} what the store throws; CW_OBJECT_CORRUPT when it gives back something else
 */
export async function writeAndReadBack(
  store: Pick<Store, 'stage' | 'read' | 'description'>,
  signal: AbortSignal,
): Promise<void> {
  const token = randomUUID()
  const written = Buffer.from(`cluster-worker ${token}`)
  const staging = await store.stage(token)
  try {
    const { hash } = await staging.write(Readable.from([written]), written.length, signal)
    await staging.seal(new Set([hash]))
    const read = await buffer(await store.read({ token, hash }, signal))
    if (!read.equals(written))
      throw new ClusterError(
        'CW_OBJECT_CORRUPT',
        `the store (${store.description}) gives back ${read.length} bytes that are not the ${written.length} that were written`,
      )
  } finally {
    await staging.discard()
  }
}
