import { Transform, type TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import { openPromise, type Entry, type ZipFile } from 'yauzl'
import { ClusterError, messageOf } from '../../errors.ts'
import { checkPath, shown } from '../check-path.ts'
import { refuse } from '../refuse.ts'
import type { FileReceiver } from '../source.ts'
import { stripFolders } from './strip-folders.ts'
import type { UnpackOrder } from './unpack-archive.ts'
import { checkRatio } from './unpack-limits.ts'
import { readPlaces, type PlacedEntry } from './zip-places.ts'

/** The kind of file, as Unix writes it into a mode. */
const kindMask = 0o170000
const folderKind = 0o040000
const fileKind = 0o100000

/**
 * Hands the files of a zip archive to `receiver`, one after the other. Its list is read and compared with the archive
 * before the first file is unpacked.
 * @throws {ClusterError} CW_ARTIFACT_REFUSED
 */
export async function unpackZip(order: UnpackOrder, receiver: FileReceiver): Promise<void> {
  const zip = await asRefusal(() =>
    openPromise(order.file, { autoClose: false, strictFileNames: true }),
  )
  try {
    const entries = await asRefusal(() => readPlaces(zip, order.limits, order.signal))
    checkBomb(entries, order, zip.fileSize)
    for (const { entry } of entries) {
      order.signal.throwIfAborted()
      const path = pathOf(entry, order.strip ?? 0)
      if (path !== undefined) await deliver(zip, entry, path, receiver, order.signal)
    }
  } finally {
    zip.close()
  }
}

function checkBomb(entries: readonly PlacedEntry[], { limits }: UnpackOrder, packed: number): void {
  const bytes = entries.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0)
  if (bytes > limits.bytes) throw refuse('the archive', `it has more than ${limits.bytes} bytes`)
  checkRatio(packed, bytes)
}

/** Undefined for a folder. */
function pathOf(entry: Entry, strip: number): string | undefined {
  const { fileName } = entry
  const isFolder = fileName.endsWith('/')
  checkPath(isFolder ? fileName.slice(0, -1) : fileName)
  const kind = modeOf(entry) & kindMask
  if (kind !== 0 && kind !== (isFolder ? folderKind : fileKind))
    throw refuse(
      `the entry ${shown(fileName)} of the archive`,
      'it is no file and no folder: a link or a device',
    )
  if (isFolder && entry.uncompressedSize > 0)
    throw refuse(`the entry ${shown(fileName)} of the archive`, 'it is a folder with a content')
  if (entry.isEncrypted())
    throw refuse(`the entry ${shown(fileName)} of the archive`, 'it is encrypted')
  return isFolder ? undefined : stripFolders(fileName, strip)
}

function modeOf(entry: Entry): number {
  return entry.externalFileAttributes >>> 16
}

async function deliver(
  zip: ZipFile,
  entry: Entry,
  path: string,
  receiver: FileReceiver,
  signal: AbortSignal,
): Promise<void> {
  const packed = await asRefusal(() => zip.openReadStreamPromise(entry))
  const content = new Verified(entry)
  const flowing = pipeline(packed, content, { signal })
  flowing.catch(() => undefined)
  try {
    await receiver.file(
      {
        path,
        size: entry.uncompressedSize,
        executable: (modeOf(entry) & 0o100) !== 0,
        modifiedAt: entry.getLastModDate({ timezone: 'UTC' }),
      },
      content,
    )
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof ClusterError ? error : asDamage(error)
  } finally {
    content.destroy()
    await flowing.catch(() => undefined)
  }
}

/** Passes a content on, and fails at its end when it is not what the archive's list says. */
class Verified extends Transform {
  readonly #entry: Entry
  #crc = 0

  constructor(entry: Entry) {
    super()
    this.#entry = entry
  }

  override _transform(piece: Uint8Array, _: BufferEncoding, done: TransformCallback): void {
    this.#crc = crc32(piece, this.#crc)
    done(null, piece)
  }

  override _flush(done: TransformCallback): void {
    const { crc32: expected, fileName } = this.#entry
    if (this.#crc === expected) done()
    else done(refuse(`the entry ${shown(fileName)} of the archive`, 'its checksum is wrong'))
  }
}

/** Errors of yauzl are about the archive, except those of the system. */
async function asRefusal<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof ClusterError || isSystemError(error) ? error : asDamage(error)
  }
}

function asDamage(error: unknown): unknown {
  if (isSystemError(error)) return error
  const message = shown(messageOf(error)).slice(1, -1)
  return refuse('the archive', `it is damaged, or not as a zip archive has to be (${message})`, {
    cause: error,
  })
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
