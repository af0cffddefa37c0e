import { ClusterError, messageOf } from '../errors.ts'
import type { ObjectKey } from './store.ts'

export function objectMissing({ token, hash }: ObjectKey, cause?: unknown): ClusterError {
  return new ClusterError(
    'CW_OBJECT_MISSING',
    `the store does not have the object ${hash} of the import ${token}; verify the store, and bring it back from a backup or import the version anew`,
    { token, hash, cause },
  )
}

/** @param what says in what it differs */
export function objectDamaged({ token, hash }: ObjectKey, what: string): ClusterError {
  return new ClusterError(
    'CW_OBJECT_CORRUPT',
    `the object ${hash} of the import ${token} is not what was published: ${what}; verify the store, and bring it back from a backup or import the version anew`,
    { token, hash },
  )
}

/** Throws when this server's own disk is at fault, and not the store. */
export function localFault(path: string): (error: unknown) => never {
  return error => {
    throw new ClusterError(
      'CW_DATA_DIR',
      `a file from the store cannot be written to ${path}: ${messageOf(error)}; give this server's disk room, and let it write there`,
      { field: 'dataDir', path, cause: error },
    )
  }
}
