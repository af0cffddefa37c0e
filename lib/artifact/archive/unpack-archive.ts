import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import { ClusterError, messageOf } from '../../errors.ts'
import { refuse } from '../refuse.ts'
import type { FileReceiver } from '../source.ts'
import { ByteCounter, checkRatio, type UnpackLimits } from './unpack-limits.ts'
import { unpackTar } from './unpack-tar.ts'
import { unpackZip } from './unpack-zip.ts'

export interface UnpackOrder {
  /** Where the archive is, on this server. */
  readonly file: string
  readonly limits: UnpackLimits
  readonly signal: AbortSignal
  /** So many folders are taken off the front of each path. Defaults to 0 */
  readonly strip?: number | undefined
}

/** The names of archives. Others, such as `.jar`, are files that somebody wants as they are. */
const archiveName = /\.(?:tar|tgz|tar\.gz|tzst|tar\.zst|zip)$/i

/** The largest window of zstd that is unpacked, as a power of two: 32 MiB of memory. */
const largestWindow = 25

/** Whether a file of this name is an archive that is unpacked unless somebody says otherwise. */
export function isArchiveName(name: string): boolean {
  return archiveName.test(name)
}

/**
 * Hands the files of an archive to `receiver`: tar, tar with gzip or zstd, or zip, whatever its name is.
 * @throws {ClusterError} CW_ARTIFACT_REFUSED for one that is damaged or hostile
 */
export async function unpackArchive(order: UnpackOrder, receiver: FileReceiver): Promise<void> {
  const start = await readStart(order.file)
  if (start.readUInt16BE(0) === 0x50_4b) return unpackZip(order, receiver)
  const packing = packingOf(start)
  await (packing ? unpackPacked(order, packing, receiver) : unpackPlain(order, receiver))
}

type Packing = 'gzip' | 'zstd'

function packingOf(start: Buffer): Packing | undefined {
  if (start.readUInt16BE(0) === 0x1f_8b) return 'gzip'
  return start.readUInt32LE(0) === 0xfd_2f_b5_28 ? 'zstd' : undefined
}

async function readStart(file: string): Promise<Buffer> {
  const handle = await open(file)
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    return buffer
  } finally {
    await handle.close()
  }
}

async function unpackPlain({ file, ...order }: UnpackOrder, receiver: FileReceiver): Promise<void> {
  const tar = createReadStream(file, { highWaterMark: 2 ** 18 })
  try {
    await unpackTar({ ...order, tar }, receiver)
  } finally {
    tar.destroy()
  }
}

async function unpackPacked(
  { file, ...order }: UnpackOrder,
  packing: Packing,
  receiver: FileReceiver,
): Promise<void> {
  const packed = new ByteCounter()
  const unpacked = new ByteCounter(bytes => {
    checkRatio(packed.bytes, bytes)
    if (bytes > mostTarBytes(order.limits))
      throw refuse('the archive', `it has more than ${order.limits.bytes} bytes`)
  })
  const unpacker = unpackerOf(packing)
  const { signal } = order
  const flowing = pipeline(createReadStream(file), packed, unpacker, unpacked, { signal })
  // Who reads hears of it first; an end before its time is no failure of the archive.
  flowing.catch(() => undefined)
  try {
    await unpackTar({ ...order, tar: unpacked }, receiver)
    await flowing
    if (unpacker.bytesWritten !== packed.bytes)
      throw refuse('the archive', 'there is something after its end')
  } catch (error) {
    order.signal.throwIfAborted()
    throw error instanceof ClusterError || !isZlibError(error)
      ? error
      : refuse('the archive', `it is damaged (${messageOf(error)})`, { cause: error })
  } finally {
    unpacked.destroy()
    await flowing.catch(() => undefined)
  }
}

/** The files with their headers, extended ones and the rest of the last blocks. */
function mostTarBytes({ files, bytes }: UnpackLimits): number {
  return bytes + files * 4096 + 2 ** 20
}

function unpackerOf(packing: Packing) {
  return packing === 'gzip'
    ? createGunzip({ chunkSize: 2 ** 16 })
    : createZstdDecompress({
        chunkSize: 2 ** 16,
        params: { [constants.ZSTD_d_windowLogMax]: largestWindow },
      })
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(?:Z_|ZSTD_)/.test(String(error.code))
}
