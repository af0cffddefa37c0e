import { loadDefinitions, type Definitions } from '../lib/config/load-definitions.ts'
import { shareOwnLibrary } from './own-library.ts'

/**
 * Loads processes and types of sources; modules that import `cluster-worker` get the library of this binary.
 * @throws {ClusterError} CW_DEFINITION
 */
export async function readDefinitions(paths: readonly string[]): Promise<Definitions> {
  shareOwnLibrary()
  return loadDefinitions(paths, process.cwd())
}
