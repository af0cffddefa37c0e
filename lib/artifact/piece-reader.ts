import { Readable } from 'node:stream'

/** A content that is read piece by piece, by a promise each. */
export interface Pieces {
  /** The next bytes, or none at the end. */
  next(): Promise<Uint8Array>
  /** Called once, when no more is read. */
  close?(): Promise<void>
}

/** Reads ahead by about one piece. */
export class PieceReader extends Readable {
  readonly #pieces: Pieces

  constructor(pieces: Pieces, pieceBytes: number) {
    super({ highWaterMark: pieceBytes })
    this.#pieces = pieces
  }

  override _read(): void {
    void this.#read()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    void this.#close(error, done)
  }

  async #read(): Promise<void> {
    try {
      const bytes = await this.#pieces.next()
      this.push(bytes.byteLength === 0 ? null : bytes)
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error('reading failed', { cause: error }))
    }
  }

  async #close(error: Error | null, done: (error: Error | null) => void): Promise<void> {
    try {
      await this.#pieces.close?.()
    } catch {
      // What was read is verified by who reads it; that a file did not close changes nothing.
    }
    done(error)
  }
}
