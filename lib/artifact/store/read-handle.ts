import type { FileHandle } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { PieceReader } from '../piece-reader.ts'
import type { Folder } from './folder.ts'
import { folderFault } from './folder-faults.ts'

/** How much is read at once at the most and, to see whether that was all, at the least; in bytes. */
const pieceBytes = 2 ** 18
const leastBytes = 2 ** 10

/**
 * The content of a file, where each read has the time limit of its folder. Closes the file at the end.
 * @param about.size what it should have, in bytes: small files by the thousand take no more memory than they have bytes
 */
export function readHandle(
  file: FileHandle,
  about: { folder: Folder; path: string; size: number; signal: AbortSignal },
): Readable {
  const { folder, path, size, signal } = about
  let left = size
  const pieces = {
    async next() {
      const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, Math.max(leastBytes, left)))
      try {
        const { bytesRead } = await folder.within(file.read(buffer, 0, buffer.length))
        left -= bytesRead
        return buffer.subarray(0, bytesRead)
      } catch (error) {
        throw folderFault(error, path)
      }
    },
    close: () => folder.within(file.close()),
  }
  return addAbortSignal(signal, new PieceReader(pieces, pieceBytes))
}
