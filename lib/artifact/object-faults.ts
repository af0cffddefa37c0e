import { ClusterError } from '../errors.ts'
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
