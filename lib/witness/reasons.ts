import { ClusterError } from '../errors.ts'

/** Why a server cannot begin, or must stop. */

export function nodeIdTaken(node: string): ClusterError {
  return new ClusterError(
    'CW_NODE_ID_TAKEN',
    `another live server has the node id '${node}'; give this one an id of its own (--node-id or CLUSTER_NODE_ID), or stop the other first`,
    { field: 'nodeId' },
  )
}

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
