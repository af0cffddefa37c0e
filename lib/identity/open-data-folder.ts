import { randomUUID } from 'node:crypto'
import { access, constants, mkdir } from 'node:fs/promises'
import type { NodeIdentity } from '../base/node-identity.ts'
import { ClusterError, messageOf } from '../errors.ts'
import { lockFolder } from './folder-lock.ts'
import { readNodeFile, writeNodeFile } from './node-file.ts'

export interface DataFolderOptions {
  readonly folder: string
  /** The node id that this server is configured with. */
  readonly node: string
  /** Whether the folder becomes that node's anew, whatever it was before. */
  readonly takeIdentity: boolean
}

/** The data folder of a server that starts or runs. */
export interface DataFolder {
  readonly identity: NodeIdentity
  /**
   * Writes the identity into the folder, if it is new. The database must have accepted it, or a server that is
   * refused would leave a folder that is refused, too.
   * @throws {ClusterError} CW_DATA_DIR
   */
  readonly keepIdentity: () => Promise<void>
  /** Lets another server use the folder. */
  close(): Promise<void>
}

/**
 * Opens the folder for one server alone.
 * @throws {ClusterError} CW_DATA_DIR, CW_DATA_DIR_TAKEN, or CW_NODE_IDENTITY when it belongs to another node
 */
export async function openDataFolder(options: DataFolderOptions): Promise<DataFolder> {
  const { folder, node, takeIdentity } = options
  const unlock = await lockOwnFolder(folder)
  try {
    const kept = takeIdentity ? undefined : await readNodeFile(folder)
    if (kept && kept.node !== node) throw anothersFolder(folder, kept.node, node)
    const identity = kept ?? { node, instance: randomUUID() }
    return {
      identity,
      keepIdentity: async () => {
        if (!kept) await writeNodeFile(folder, identity)
      },
      close: unlock,
    }
  } catch (error) {
    await unlock()
    throw error
  }
}

async function lockOwnFolder(folder: string): Promise<() => Promise<void>> {
  let unlock
  try {
    await mkdir(folder, { recursive: true })
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    unlock = await lockFolder(folder)
  } catch (error) {
    throw new ClusterError(
      'CW_DATA_DIR',
      `expected a data folder that this server may write to at ${folder}, got: ${messageOf(error)}; let it write there, or name another folder (--data-dir or CLUSTER_DATA_DIR)`,
      { field: 'dataDir', cause: error },
    )
  }
  if (unlock) return unlock
  throw new ClusterError(
    'CW_DATA_DIR_TAKEN',
    `another live server of this machine uses the data folder ${folder}; give this one a folder of its own (--data-dir or CLUSTER_DATA_DIR), or stop the other first`,
    { field: 'dataDir' },
  )
}

function anothersFolder(folder: string, owner: string, node: string): ClusterError {
  return new ClusterError(
    'CW_NODE_IDENTITY',
    `the data folder ${folder} belongs to the node '${owner}', but this server is called '${node}'; start it as '${owner}' (--node-id or CLUSTER_NODE_ID), give '${node}' a data folder of its own (--data-dir or CLUSTER_DATA_DIR) or, if the node has a new name for good, start it once with --take-identity`,
    { field: 'nodeId' },
  )
}
