import { spawnSync } from 'node:child_process'

import type * as library from '../lib/index.ts'

type Library = typeof library

/** Set for this process and its workers when the library was built. */
const builtName = 'CLUSTER_WORKER_BENCH_BUILT'

/**
 * Builds the library; from then on it is measured as its users have it, not from its source.
 * @throws {Error} when it cannot be built
 */
export function buildLibrary(): void {
  const cwd = new URL('..', import.meta.url)
  const { status } = spawnSync('npm', ['run', 'build'], { cwd, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('npm run build failed')
  process.env[builtName] = '1'
}

/** The library as it was built; its source, as long as it was not. */
export async function loadLibrary(): Promise<Library> {
  const file = process.env[builtName] ? '../dist/lib/index.js' : '../lib/index.ts'
  return (await import(file)) as Library
}
