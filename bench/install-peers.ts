import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'

const folder = import.meta.dirname

/**
 * Installs the peers into this folder, unless what is installed is as new as the lock file.
 * @throws {Error} when npm fails
 */
export function installPeers(): void {
  const installed = changedAt('node_modules/.package-lock.json')
  if (installed !== undefined && installed >= (changedAt('package-lock.json') ?? 0)) return
  const { status } = spawnSync('npm', ['ci', '--prefix', folder], { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`npm ci --prefix ${folder} failed; the peers cannot take part`)
}

function changedAt(file: string): number | undefined {
  return statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs
}
