import { ClusterError } from '../errors.ts'

/** Why a server cannot begin, or must stop. */

export function declaredLost(): ClusterError {
  return new ClusterError(
    'CW_NODE_LOST',
    'the other servers have declared this one lost; its requests have failed',
  )
}

export function overdue(sinceMs: number, cause: unknown): ClusterError {
  return new ClusterError(
    'CW_NODE_LOST',
    `this server could not prove to the database that it is alive for ${Math.round(sinceMs)} ms, so it stopped its work before the others declare it lost`,
    { cause },
  )
}
