import { Transform, type TransformCallback } from 'node:stream'
import { refuse } from '../refuse.ts'

/** What an archive may do to the server that unpacks it. */
export interface UnpackLimits {
  /** The most entries, folders and all. */
  readonly files: number
  /** The most bytes of all files together, unpacked. */
  readonly bytes: number
}

/** Nothing that is worth deploying packs better, once it is more than a little. */
const mostRatio = 250
const ratioFromBytes = 32 * 2 ** 20

/** @throws {ClusterError} CW_ARTIFACT_REFUSED for an archive that is a bomb */
export function checkRatio(packed: number, unpacked: number): void {
  if (unpacked > ratioFromBytes && unpacked > packed * mostRatio)
    throw refuse('the archive', `it unpacks to more than ${mostRatio} times its size`)
}

/** Counts the bytes that go through. */
export class ByteCounter extends Transform {
  readonly #check: (bytes: number) => void
  bytes = 0

  /** @param check is told the count with each piece, and throws when it is too much */
  constructor(check: (bytes: number) => void = () => undefined) {
    super()
    this.#check = check
  }

  override _transform(piece: Uint8Array, _: BufferEncoding, done: TransformCallback): void {
    this.bytes += piece.byteLength
    try {
      this.#check(this.bytes)
      done(null, piece)
    } catch (error) {
      done(error as Error)
    }
  }
}
