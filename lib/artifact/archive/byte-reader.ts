import { refuse } from '../refuse.ts'

/** Takes a stream apart by the byte. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Buffer>
  #piece: Buffer = Buffer.alloc(0)

  constructor(pieces: AsyncIterable<Buffer>) {
    this.#pieces = pieces[Symbol.asyncIterator]()
  }

  /** At the most so many bytes, and at least one; none at the end. */
  async some(most: number): Promise<Buffer> {
    while (this.#piece.length === 0) {
      const { done, value } = await this.#pieces.next()
      if (done) return Buffer.alloc(0)
      this.#piece = value
    }
    const taken = this.#piece.subarray(0, most)
    this.#piece = this.#piece.subarray(taken.length)
    return taken
  }

  /**
   * So many bytes; none at the end.
   * @throws {ClusterError} CW_ARTIFACT_REFUSED when it ends in between
   */
  async exactly(length: number): Promise<Buffer> {
    const first = await this.some(length)
    if (first.length === 0 || first.length === length) return first
    const pieces = [first]
    for (let left = length - first.length; left > 0; left -= pieces.at(-1)?.length ?? 0)
      pieces.push(await this.#more(left))
    return Buffer.concat(pieces)
  }

  /** So many bytes, as they come. */
  async *stretch(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0;) {
      const piece = await this.#more(left)
      left -= piece.length
      yield piece
    }
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) left -= (await this.#more(left)).length
  }

  async #more(most: number): Promise<Buffer> {
    const piece = await this.some(most)
    if (piece.length > 0) return piece
    throw refuse('the archive', 'it is truncated')
  }
}
