/** How large each piece is, in bytes. */
const pieceBytes = 2 ** 19

/** Memory for pieces of files, which is used again: what is left to be collected adds up while large files are copied. */
export class PieceMemory {
  readonly #free: Buffer[] = []

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(pieceBytes)
  }

  /** Nobody may use it any more. */
  give(piece: Buffer): void {
    this.#free.push(piece)
  }
}
