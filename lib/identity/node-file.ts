import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeIdentity } from '../base/node-identity.ts'
import { ClusterError, messageOf } from '../errors.ts'
import { writeDurably } from './write-durably.ts'

/**
 * Reads whose data folder it is.
 * @returns undefined when no server has used the folder yet
 * @throws {ClusterError} CW_DATA_DIR when the file cannot be read, or is not as we wrote it
 */
export async function readNodeFile(folder: string): Promise<NodeIdentity | undefined> {
  const path = nodeFileOf(folder)
  try {
    return parseIdentity(await readFile(path, 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new ClusterError(
      'CW_DATA_DIR',
      `expected ${path} to say whose data folder this is, got: ${messageOf(error)}; restore the file or, when it is lost, remove it and start this server once with --take-identity`,
      { field: 'dataDir', cause: error },
    )
  }
}

/** @throws {ClusterError} CW_DATA_DIR */
export async function writeNodeFile(folder: string, identity: NodeIdentity): Promise<void> {
  const path = nodeFileOf(folder)
  try {
    const { node, instance } = identity
    await writeDurably(path, `${JSON.stringify({ node, instance })}\n`)
  } catch (error) {
    throw new ClusterError(
      'CW_DATA_DIR',
      `expected to write ${path}, got: ${messageOf(error)}; let this server write to its data folder, or give it another one (--data-dir or CLUSTER_DATA_DIR)`,
      { field: 'dataDir', cause: error },
    )
  }
}

function nodeFileOf(folder: string): string {
  return join(folder, 'node.json')
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function parseIdentity(text: string): NodeIdentity {
  const { node, instance } = (JSON.parse(text) ?? {}) as Partial<Record<string, unknown>>
  if (typeof node !== 'string' || typeof instance !== 'string' || !uuid.test(instance))
    throw new Error('a file without a node id and an instance')
  return { node, instance }
}
