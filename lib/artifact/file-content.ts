import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'

/** How much is read at once by who reads it as a stream, in bytes. */
const pieceBytes = 2 ** 18

/**
 * The content of an open file, from where it stands to its end. As a stream it takes new memory for each piece, which stays
 * until it is collected; who knows that it is a file reads it into the same memory again and again. It does not close
 * the file.
 */
export class FileContent extends Readable {
  /** In bytes, when the file was opened. */
  readonly size: number
  readonly #file: FileHandle

  constructor(file: FileHandle, size: number) {
    super({ highWaterMark: pieceBytes })
    this.size = size
    this.#file = file
  }

  /** Reads what comes next. For who does not read the stream. @returns how many bytes; 0 at the end */
  async readInto(memory: Uint8Array): Promise<number> {
    const { bytesRead } = await this.#file.read(memory, 0, memory.length, null)
    return bytesRead
  }

  override _read(): void {
    const piece = Buffer.allocUnsafe(pieceBytes)
    this.readInto(piece).then(
      bytes => this.push(bytes === 0 ? null : piece.subarray(0, bytes)),
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    )
  }
}
