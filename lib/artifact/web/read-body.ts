import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ByteCounter } from '../archive/unpack-limits.ts'
import { messageOf } from '../../errors.ts'
import { asSourceFailure, refuse, sourceFailure } from '../refuse.ts'
import type { Checksum } from './checksum.ts'

/** @throws {ClusterError} CW_SOURCE when it is longer than `limit` bytes */
export async function readText(response: Response, limit: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const piece of response.body ?? []) {
      bytes += piece.byteLength
      if (bytes > limit)
        throw sourceFailure(`what ${response.url} answered is longer than ${limit} bytes`)
      pieces.push(piece)
    }
  } catch (error) {
    throw asSourceFailure(`the answer of ${response.url} ended before its time`, error)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** @throws {ClusterError} CW_SOURCE when it is longer than `limit` bytes, or no JSON */
export async function readJson(response: Response, limit: number): Promise<unknown> {
  const text = await readText(response, limit)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw sourceFailure(`what ${response.url} answered is no JSON: ${messageOf(error)}`, error)
  }
}

export interface SaveOrder {
  /** The path of the file to write. */
  readonly file: string
  /** The most bytes that are accepted. */
  readonly limit: number
  /** What the content has to be. */
  readonly checksums: readonly Checksum[]
  readonly size?: number | undefined
  readonly signal: AbortSignal
}

/**
 * Saves an answer as a file. Nobody looks into it before all of it is there and is what it should be.
 * @throws {ClusterError} CW_ARTIFACT_REFUSED for another content; CW_SOURCE when it ends before its time
 */
export async function saveBody(response: Response, order: SaveOrder): Promise<void> {
  const { file, limit, checksums, size, signal } = order
  const counter = new ByteCounter(bytes => {
    if (bytes > limit) throw refuse('the version', `a file of it is larger than ${limit} bytes`)
  })
  const hashes = checksums.map(checksum => ({ checksum, hash: createHash(checksum.algorithm) }))
  try {
    await pipeline(
      Readable.fromWeb((response.body ?? new Blob([]).stream()) as never),
      counter,
      async function* hashing(pieces: AsyncIterable<Buffer>) {
        for await (const piece of pieces) {
          for (const { hash } of hashes) hash.update(piece)
          yield piece
        }
      },
      createWriteStream(file, { flags: 'wx', mode: 0o600 }),
      { signal },
    )
  } catch (error) {
    signal.throwIfAborted()
    throw asSourceFailure(`cannot load the version from ${response.url}`, error)
  }
  if (size !== undefined && counter.bytes !== size)
    throw refuse('the version', `a file of it has ${counter.bytes} bytes instead of ${size}`)
  for (const { checksum, hash } of hashes)
    if (!hash.digest().equals(checksum.digest))
      throw refuse(
        'the version',
        `its ${checksum.algorithm} is not the one that its source has published`,
      )
}
