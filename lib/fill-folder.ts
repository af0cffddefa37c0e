import { randomUUID } from 'node:crypto'
import { lstat, mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ClusterError, messageOf } from './errors.ts'
import { lockFolder } from './identity/folder-lock.ts'

/**
 * Has a folder filled that is not there yet, or is empty. It has everything in the end, or stays as it was: `fill` is given
 * a hidden folder, which then takes the name of the target. A target that is there already stays the folder that it is,
 * because it may be a mounted disk or have rights of its own: the hidden folder is in it then, and what is in that is
 * moved up in the end, name by name. What a killed process has left is removed by the next one.
 * @param target an absolute path; folders above it are made
 * @throws {ClusterError} CW_OPTION when it cannot be used; or what `fill` threw
 */
export async function fillFolder(
  target: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const isThere = await isEmptyFolder(target)
  const place = isThere ? target : dirname(target)
  const part = join(place, `${hiddenName(target)}${randomUUID()}.part`)
  const firstMade = await asOption(target, () => makeFolders(place))
  let unlock: (() => Promise<void>) | undefined
  try {
    await removeLeftovers(target, place)
    await asOption(target, () => mkdir(part))
    unlock = await lockFolder(part)
    await fill(part)
    await asOption(target, () => (isThere ? moveUp(part, target) : rename(part, target)))
  } catch (error) {
    // Why it failed is what matters; what cannot be removed now the next one removes.
    await rm(part, { recursive: true, force: true }).catch(() => undefined)
    if (firstMade !== undefined) await removeMade(place, firstMade)
    throw error
  } finally {
    await unlock?.()
  }
}

/** How the names of hidden folders for a target begin; names are limited to 255 bytes. */
function hiddenName(target: string): string {
  return `.${basename(target).slice(0, 50)}.`
}

function isHidden(name: string, target: string): boolean {
  const begin = hiddenName(target)
  return name.startsWith(begin) && /^[0-9a-f-]{36}\.part$/.test(name.slice(begin.length))
}

/** False when nothing is there. */
async function isEmptyFolder(target: string): Promise<boolean> {
  const isThere = await lstat(target).then(
    () => true,
    () => false,
  )
  if (!isThere) return false
  const names = await asOption(target, () => readdir(target))
  if (names.every(name => isHidden(name, target))) return true
  throw notEmpty(target)
}

/** Those of processes that are gone: as long as one lives, it has the lock. */
async function removeLeftovers(target: string, place: string): Promise<void> {
  // Where nothing may be listed, or another process is quicker, they stay.
  const names = await readdir(place).catch(() => [])
  for (const name of names.filter(name => isHidden(name, target))) {
    const path = join(place, name)
    const unlock = await lockFolder(path).catch(() => undefined)
    if (unlock) await rm(path, { recursive: true, force: true }).catch(() => undefined)
    await unlock?.()
  }
}

/**
 * Makes a folder and those above it. (Node's own way never ends where a system refuses to make a folder by saying that the
 * one above it is not there, as below `/proc`.)
 * @returns the uppermost that was made; undefined when all were there
 */
async function makeFolders(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder)
    return folder
  } catch (error) {
    if (isCode(error, 'EEXIST')) return undefined
    const above = dirname(folder)
    if (!isCode(error, 'ENOENT') || above === folder) throw error
    const firstMade = await makeFolders(above)
    await mkdir(folder).catch((second: unknown) => {
      // Another fetch was quicker.
      if (!isCode(second, 'EEXIST')) throw second
    })
    return firstMade ?? folder
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

async function moveUp(part: string, target: string): Promise<void> {
  if (!(await isEmptyFolder(target))) throw new Error('it was removed meanwhile')
  const moved: string[] = []
  try {
    for (const name of await readdir(part)) {
      await rename(join(part, name), join(target, name))
      moved.push(join(target, name))
    }
  } catch (error) {
    for (const path of moved) await rm(path, { recursive: true, force: true })
    throw error
  }
  await rmdir(part)
}

/** Those folders that were made above the target, if nobody has put anything into them meanwhile. */
async function removeMade(place: string, firstMade: string): Promise<void> {
  for (let folder = place; folder.length >= firstMade.length; folder = dirname(folder)) {
    const isRemoved = await rmdir(folder).then(
      () => true,
      () => false,
    )
    if (!isRemoved) return
  }
}

async function asOption<Value>(target: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof ClusterError) throw cause
    throw new ClusterError(
      'CW_OPTION',
      `the folder ${target} cannot be used: ${messageOf(cause)}`,
      { field: 'folder', cause },
    )
  }
}

function notEmpty(target: string): ClusterError {
  return new ClusterError(
    'CW_OPTION',
    `expected a folder that is empty or not there, got ${target}, in which is something`,
    { field: 'folder' },
  )
}
