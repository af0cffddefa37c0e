import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** What the check needs and this machine does not have. */
export class MissingTool extends Error {}

/**
 * Finds Spin: on the PATH, or unpacked from Debian's package into node_modules/.cache, without being installed.
 * @throws {MissingTool} when there is no compiler either, or no Spin to be had
 */
export async function findSpin(): Promise<string> {
  if (!(await runs('gcc', '--version')))
    throw new MissingTool(
      'the models need a C compiler; install gcc, for example: apt-get install gcc libc6-dev',
    )
  if (await runs('spin', '-V')) return 'spin'
  const folder = resolve(import.meta.dirname, '../node_modules/.cache/spin')
  const program = join(folder, 'usr/bin/spin')
  const isThere = await access(program).then(
    () => true,
    () => false,
  )
  if (!isThere) await unpackSpin(folder)
  return program
}

async function runs(program: string, argument: string): Promise<boolean> {
  return execute(program, [argument]).then(
    () => true,
    () => false,
  )
}

/** Several at once are no harm: each unpacks beside the folder, and a rename onto one that is there fails. */
async function unpackSpin(folder: string): Promise<void> {
  const parent = resolve(folder, '..')
  await mkdir(parent, { recursive: true })
  const own = await mkdtemp(join(tmpdir(), 'cluster-worker-spin-'))
  const unpacked = await mkdtemp(join(parent, 'spin-'))
  try {
    await execute('apt-get', ['download', 'spin'], { cwd: own })
    const [file = ''] = await readdir(own)
    await execute('dpkg', ['-x', join(own, file), unpacked])
    await rename(unpacked, folder).catch(() => access(folder))
  } catch (error) {
    throw new MissingTool(
      'the models need Spin, which could not be fetched from Debian; install it, for example: apt-get install spin, or brew install spin',
      { cause: error },
    )
  } finally {
    await rm(own, { recursive: true, force: true })
    await rm(unpacked, { recursive: true, force: true })
  }
}
