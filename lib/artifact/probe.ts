import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
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
