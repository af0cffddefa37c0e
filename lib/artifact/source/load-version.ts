import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isArchiveName, unpackArchive } from '../archive/unpack-archive.ts'
import type { Checksum } from '../web/checksum.ts'
import { get, shownUrl, type GetOrder } from '../web/get.ts'
import { saveBody } from '../web/read-body.ts'
import { FileContent } from '../file-content.ts'
import type { FileEntry, FileReceiver, SourceContext } from '../source.ts'

/** Something on a web server that is a version, or a file of one. */
export interface LoadOrder extends Pick<GetOrder, 'url' | 'headers' | 'credentials'> {
  /** What the file is called when it is not unpacked. */
  readonly name: string
  readonly checksums: readonly Checksum[]
  readonly size?: number | undefined
  /** Whether it is an archive. By default its name decides. */
  readonly unpack?: boolean | undefined
  readonly strip?: number | undefined
}

/** Loads a file of a version, and hands it, or what is in it, to `receiver` when all of it has been verified. */
export async function loadVersion(
  order: LoadOrder,
  receiver: FileReceiver,
  { signal, workFolder, limits, log }: SourceContext,
): Promise<void> {
  const { name, checksums, size, unpack = isArchiveName(name), strip } = order
  const file = join(workFolder, 'download')
  // A server that packs what it sends would make other bytes of it than those that the checksum is about.
  const headers = { 'accept-encoding': 'identity', ...order.headers }
  const response = await get({ ...order, headers, signal })
  await saveBody(response, { file, limit: limits.bytes, checksums, size, signal })
  const found = await stat(file)
  const verified = checksums.map(({ algorithm }) => algorithm).join(', ')
  log(
    `loaded ${found.size} bytes from ${shownUrl(order.url)}${verified && `, ${verified} verified`}`,
  )
  if (unpack) await unpackArchive({ file, limits, signal, strip }, receiver)
  else await deliver(file, { path: name, size: found.size }, receiver)
}

async function deliver(
  file: string,
  entry: FileEntry & { readonly size: number },
  receiver: FileReceiver,
): Promise<void> {
  const handle = await open(file)
  try {
    await receiver.file(entry, () => new FileContent(handle, entry.size))
  } finally {
    await handle.close()
  }
}
