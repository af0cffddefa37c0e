import { ClusterError } from '../../errors.ts'
import type { StoreClaim } from '../store.ts'

/** The name of the file that says whose the store is. */
export const markName = 'cluster-worker-store.json'

/** What is written there. */
export function writeMark(id: string): string {
  return `${JSON.stringify({ cluster: id, format: 1 })}\n`
}

/**
 * The id of the cluster to which a store belongs.
 * @throws {ClusterError} CW_STORE_UNKNOWN when the text is none of ours
 */
export function readMark(text: string, where: string): string {
  try {
    const mark: unknown = JSON.parse(text)
    if (typeof mark === 'object' && mark && 'cluster' in mark && 'format' in mark)
      if (typeof mark.cluster === 'string' && mark.format === 1) return mark.cluster
  } catch {
    // Said below.
  }
  throw new ClusterError(
    'CW_STORE_UNKNOWN',
    `${markName} in ${where} is damaged, or of a newer version of cluster-worker; if the store is this cluster's, put back the file from a backup`,
  )
}

/** @throws {ClusterError} CW_STORE_UNKNOWN when the store is another cluster's */
export function compareMark(owner: string, id: string, where: string): void {
  if (owner === id) return
  throw new ClusterError(
    'CW_STORE_UNKNOWN',
    `the store ${where} belongs to the cluster ${owner}, and this is ${id}; give each cluster a store of its own. A copy of a database is the same cluster for the store: give it another store before it starts`,
    { owner, cluster: id },
  )
}

/** @throws {ClusterError} CW_STORE_UNKNOWN unless a store without a mark may be taken */
export function refuseUnmarked({ wasUsed }: StoreClaim, isEmpty: boolean, where: string): void {
  if (!wasUsed && isEmpty) return
  throw unmarked(where, isEmpty)
}

/** Why who only reads cannot use a store without a mark; with the detail `isNew` when it only waits for its first server. */
export function notTaken({ wasUsed }: StoreClaim, isEmpty: boolean, where: string): ClusterError {
  if (wasUsed || !isEmpty) return unmarked(where, isEmpty)
  return new ClusterError(
    'CW_STORE_UNKNOWN',
    `the store ${where} is empty, and nobody's yet: the first server that starts with it makes it this cluster's`,
    { isNew: true },
  )
}

export function unmarked(where: string, isEmpty: boolean): ClusterError {
  return new ClusterError(
    'CW_STORE_UNKNOWN',
    isEmpty
      ? `the store ${where} is empty, and this cluster has used one before: a share that is not mounted? Mount it, or mend the option store`
      : `the store ${where} has files, but no ${markName}: it is not this cluster's store. Mount the right share, or name a folder or prefix that is empty`,
  )
}
