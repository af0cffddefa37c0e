import { constants, type Stats } from 'node:fs'
import { open, readdir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { eachParallel } from '../../base/each-parallel.ts'
import { checkPath, shown } from '../check-path.ts'
import { FileContent } from '../file-content.ts'
import { refuse, sourceFailure } from '../refuse.ts'
import type { FileReceiver } from '../source.ts'

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants

/** Small files wait for the disk or the network most of the time. */
const filesAtOnce = 8

/** A folder that is open, and its path within the version. */
interface OpenFolder {
  readonly handle: FileHandle
  /** How messages call it. */
  readonly place: string
  readonly path: string
}

/**
 * Hands all files of a folder to `receiver`. Each folder below is reached through the open one above it and not by its path,
 * so nobody can put a link in its place meanwhile (only on Linux; elsewhere a link that comes between two looks is
 * followed).
 * @throws {ClusterError} CW_ARTIFACT_REFUSED for links and devices; CW_SOURCE for what vanishes meanwhile
 */
export async function walkFolder(
  folder: string,
  receiver: FileReceiver,
  signal: AbortSignal,
): Promise<void> {
  const handle = await open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  await walk({ handle, place: folder, path: '' }, receiver, signal)
}

/** Closes the folder. */
async function walk(
  folder: OpenFolder,
  receiver: FileReceiver,
  signal: AbortSignal,
): Promise<void> {
  try {
    const below: string[] = []
    await eachParallel(await readdir(at(folder, '.')), filesAtOnce, async name => {
      signal.throwIfAborted()
      if (await deliver(folder, name, receiver)) below.push(name)
    })
    for (const name of below.toSorted()) {
      const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
      const handle = await openIn(folder, name, flags)
      await walk(
        { handle, place: join(folder.place, name), path: pathIn(folder, name) },
        receiver,
        signal,
      )
    }
  } finally {
    await folder.handle.close()
  }
}

/** @returns whether it is a folder, of which nothing was delivered yet */
async function deliver(folder: OpenFolder, name: string, receiver: FileReceiver): Promise<boolean> {
  const path = pathIn(folder, name)
  checkPath(path)
  const handle = await openIn(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const stats = await handle.stat()
    if (stats.isDirectory()) return true
    if (!stats.isFile())
      throw refuse(`the file ${shown(path)}`, 'it is a device, a pipe or a socket')
    await receiver.file(entryOf(path, stats), () => new FileContent(handle, stats.size))
    return false
  } finally {
    await handle.close()
  }
}

function entryOf(path: string, { size, mode, mtime }: Stats) {
  return { path, size, executable: (mode & 0o100) !== 0, modifiedAt: mtime }
}

async function openIn(folder: OpenFolder, name: string, flags: number): Promise<FileHandle> {
  try {
    return await open(at(folder, name), flags)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const path = shown(pathIn(folder, name))
    if (code === 'ELOOP' || code === 'ENOTDIR') throw refuse(`the file ${path}`, 'it is a link')
    if (code === 'ENXIO' || code === 'ENODEV')
      throw refuse(`the file ${path}`, 'it is a device, a pipe or a socket')
    throw sourceFailure(
      `cannot read ${join(folder.place, name)} (${String(code)}): is it still there, and may the server read it?`,
      error,
    )
  }
}

function at({ handle, place }: OpenFolder, name: string): string {
  return process.platform === 'linux' ? `/proc/self/fd/${handle.fd}/${name}` : join(place, name)
}

function pathIn({ path }: OpenFolder, name: string): string {
  return path === '' ? name : `${path}/${name}`
}
