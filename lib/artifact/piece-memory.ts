/** Memory for pieces of files, which is used again: what is left to be collected adds up while large files are copied. */
export class PieceMemory {
  readonly #free: Buffer[] = []
  readonly #pieceBytes: number

  /** @param pieceBytes how large each piece is; defaults to 512 KiB */
  constructor(pieceBytes: number = 2 ** 19) {
    this.#pieceBytes = pieceBytes
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#pieceBytes)
  }

  /** Nobody may use it any more. */
  give(piece: Buffer): void {
    this.#free.push(piece)
  }
}
