import { loadProcesses } from '../lib/config/load-processes.ts'
import type { Process } from '../lib/step/define-process.ts'
import { shareOwnLibrary } from './own-library.ts'

/**
 * Loads process definitions; modules that import `cluster-worker` get the library of this binary.
 * @throws {ClusterError} CW_DEFINITION
 */
export async function loadDefinitions(paths: readonly string[]): Promise<Process[]> {
  shareOwnLibrary()
  return loadProcesses(paths, process.cwd())
}
