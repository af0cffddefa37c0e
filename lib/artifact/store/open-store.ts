import type { LargeObjects } from '../../base/large-objects.ts'
import type { Store } from '../store.ts'
import { DatabaseStore } from './database-store.ts'
import { FolderStore } from './folder-store.ts'
import { S3Store } from './s3-store.ts'
import { readStoreUrl } from './store-url.ts'

export interface StoreSurroundings {
  /** The files that the cluster's own database keeps. */
  readonly largeObjects: LargeObjects
  /** A folder on this server's own disk, made when it is needed: for files on their way to S3. */
  readonly spoolFolder: string
  /** How long one operation of a shared folder may take, in milliseconds. Defaults to 30 s. */
  readonly folderTimeoutMs?: number
}

/**
 * Opens the store that the option `store` names. Nothing is asked of it yet.
 * @throws {ClusterError} CW_OPTION when it names none
 */
export function openStore(url: string, surroundings: StoreSurroundings): Store {
  const location = readStoreUrl(url)
  const { largeObjects, spoolFolder, folderTimeoutMs: timeoutMs } = surroundings
  if (location.kind === 'database') return new DatabaseStore(largeObjects)
  if (location.kind === 's3') return new S3Store({ ...location, spoolFolder })
  return new FolderStore({ path: location.path, ...(timeoutMs !== undefined && { timeoutMs }) })
}
