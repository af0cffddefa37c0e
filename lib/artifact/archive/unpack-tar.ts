import { Readable } from 'node:stream'
import { Header } from 'tar'
import { checkPath, shown } from '../check-path.ts'
import { refuse } from '../refuse.ts'
import type { FileReceiver } from '../source.ts'
import { ByteReader } from './byte-reader.ts'
import { readPaxRecords, type PaxRecords } from './pax-records.ts'
import { stripFolders } from './strip-folders.ts'
import type { UnpackLimits } from './unpack-limits.ts'

export interface TarOrder {
  /** The tar itself, unpacked. */
  readonly tar: AsyncIterable<Buffer>
  readonly limits: UnpackLimits
  readonly signal: AbortSignal
  /** So many folders are taken off the front of each path. Defaults to 0 */
  readonly strip?: number | undefined
}

interface TarEntry {
  readonly path: string
  readonly size: number
  readonly mode: number
  readonly mtime: Date | undefined
  readonly type: Header['type']
}

const blockBytes = 512
/** A path of 1024 bytes, and what else programs say. */
const longestExtraBytes = 64 * 1024

const fileTypes: ReadonlySet<unknown> = new Set(['File', 'OldFile', 'ContiguousFile'])
const folderTypes: ReadonlySet<unknown> = new Set(['Directory', 'GNUDumpDir'])
const paxTypes: ReadonlySet<unknown> = new Set(['ExtendedHeader', 'OldExtendedHeader'])
const longPathTypes: ReadonlySet<unknown> = new Set(['NextFileHasLongPath', 'OldGnuLongPath'])

/**
 * Hands the files of a tar archive to `receiver`, one after the other. The package `tar` knows the headers; the way from one
 * to the next is our own, because its parser passes over what it does not know or cannot read, and we refuse it.
 * @throws {ClusterError} CW_ARTIFACT_REFUSED
 */
export async function unpackTar(order: TarOrder, receiver: FileReceiver): Promise<void> {
  const { limits, signal, strip = 0 } = order
  const reader = new ByteReader(order.tar)
  let entries = 0
  for await (const entry of readEntries(reader, limits)) {
    signal.throwIfAborted()
    entries += 1
    if (entries > limits.files)
      throw refuse('the archive', `it has more than ${limits.files} entries`)
    if (entry.size > limits.bytes)
      throw refuse('the archive', `it has more than ${limits.bytes} bytes`)
    const path = pathOf(entry, strip)
    if (folderTypes.has(entry.type) || path === undefined) await reader.skip(entry.size)
    else await deliver(entry, path, reader, receiver)
    await reader.skip(paddingOf(entry.size))
  }
}

async function* readEntries(reader: ByteReader, limits: UnpackLimits): AsyncGenerator<TarEntry> {
  let extra: PaxRecords = {}
  let extras = 0
  for (;;) {
    const block = await reader.exactly(blockBytes)
    if (block.length === 0) throw refuse('the archive', 'it is no tar archive, or truncated')
    const header = readHeader(block)
    if (header.nullBlock) return readEnd(reader)
    if (!header.cksumValid) throw refuse('the archive', 'it is no tar archive, or damaged')
    const { type } = header
    if (
      type === 'GlobalExtendedHeader' ||
      type === 'NextFileHasLongLinkpath' ||
      paxTypes.has(type) ||
      longPathTypes.has(type)
    ) {
      extras += 1
      if (extras > 2 * limits.files + 2)
        throw refuse('the archive', 'it has too many extended headers')
      const said = await readExtra(reader, header)
      // What a global header says of paths and sizes, no program means.
      if (type !== 'GlobalExtendedHeader') extra = { ...extra, ...said }
      continue
    }
    yield entryOf(header, extra)
    extra = {}
  }
}

function readHeader(block: Buffer): Header {
  try {
    return new Header(block)
  } catch (cause) {
    throw refuse('the archive', 'it is damaged', { cause })
  }
}

async function readExtra(reader: ByteReader, { size = 0, type }: Header): Promise<PaxRecords> {
  if (size > longestExtraBytes) throw refuse('the archive', 'an extended header of it is too long')
  const bytes = await reader.exactly(size)
  if (bytes.length !== size) throw refuse('the archive', 'it is truncated')
  await reader.skip(paddingOf(size))
  if (type === 'NextFileHasLongLinkpath') return { linkpath: 'a link' }
  if (longPathTypes.has(type)) return { path: bytes.toString('utf8').replace(/\0$/, '') }
  return readPaxRecords(bytes)
}

function entryOf(header: Header, extra: PaxRecords): TarEntry {
  const { type, mode = 0 } = header
  const path = extra.path ?? header.path ?? ''
  const size = extra.size ?? header.size
  if (!fileTypes.has(type) && !folderTypes.has(type))
    throw refuse(
      `the entry ${shown(path)} of the archive`,
      `it is no file and no folder, but of the type ${type}`,
    )
  if (header.linkpath || extra.linkpath !== undefined)
    throw refuse(`the entry ${shown(path)} of the archive`, 'it is a link')
  if (size === undefined || !Number.isSafeInteger(size))
    throw refuse(`the entry ${shown(path)} of the archive`, 'its size is no number')
  const isFolder = type === 'Directory'
  return { path, size: isFolder ? 0 : size, mode, mtime: extra.mtime ?? header.mtime, type }
}

/** Undefined for what is nothing without the folders that are taken off. */
function pathOf({ path, type }: TarEntry, strip: number): string | undefined {
  const plain = path.replace(/^(?:\.\/+)+/, '')
  const inside = folderTypes.has(type) ? plain.replace(/\/+$/, '') : plain
  if (folderTypes.has(type) && (inside === '' || inside === '.')) return undefined
  checkPath(inside)
  return stripFolders(inside, strip)
}

async function deliver(
  { size, mode, mtime }: TarEntry,
  path: string,
  reader: ByteReader,
  receiver: FileReceiver,
): Promise<void> {
  let left = size
  async function* read(): AsyncGenerator<Buffer> {
    for await (const piece of reader.stretch(size)) {
      left -= piece.length
      yield piece
    }
  }
  const content = Readable.from(read(), { objectMode: false })
  const modifiedAt = mtime && !Number.isNaN(mtime.getTime()) ? { modifiedAt: mtime } : {}
  await receiver.file({ path, size, executable: (mode & 0o100) !== 0, ...modifiedAt }, content)
  // A file that the receiver does not want is still in our way; its stream has let go of the reader by now.
  content.destroy()
  await closed(content)
  await reader.skip(left)
}

function closed(content: Readable): Promise<void> {
  return new Promise(resolve => {
    if (content.closed) return resolve()
    content.once('close', resolve)
  })
}

/** After the first empty block nothing but empty ones may come: what hides there, other programs might unpack. */
async function readEnd(reader: ByteReader): Promise<void> {
  for (;;) {
    const rest = await reader.some(2 ** 20)
    if (rest.length === 0) return
    if (rest.some(byte => byte !== 0))
      throw refuse('the archive', 'there is something after its end')
  }
}

function paddingOf(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes
}
