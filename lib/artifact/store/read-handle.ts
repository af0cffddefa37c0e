import type { FileHandle } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { PieceReader } from '../piece-reader.ts'
import type { Folder } from './folder.ts'
import { folderFault } from './folder-faults.ts'

/** How much is read at once, in bytes. */
const pieceBytes = 2 ** 18

/** The content of a file, where each read has the time limit of its folder. Closes the file at the end. */
export function readHandle(
  file: FileHandle,
  { folder, path, signal }: { folder: Folder; path: string; signal: AbortSignal },
): Readable {
  const pieces = {
    async next() {
      const buffer = Buffer.allocUnsafe(pieceBytes)
      try {
        const { bytesRead } = await folder.within(file.read(buffer, 0, pieceBytes))
        return buffer.subarray(0, bytesRead)
      } catch (error) {
        throw folderFault(error, path)
      }
    },
    close: () => folder.within(file.close()),
  }
  return addAbortSignal(signal, new PieceReader(pieces, pieceBytes))
}
