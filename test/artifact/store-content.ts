import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { ObjectKey, Store } from '../../lib/artifact/store.ts'

/** Never aborted. */
export const { signal } = new AbortController()

/** A limit that no content reaches. */
export const plenty = 2 ** 40

/** Publishes texts, as one attempt. */
export async function put(store: Store, token: string, texts: readonly string[]): Promise<void> {
  const staging = await store.stage(token)
  for (const text of texts) await staging.write(from(text), plenty, signal)
  await staging.seal(new Set(texts.map(text => sha256(text))))
}

/** The content of an object. */
export async function readAll(store: Store, key: ObjectKey): Promise<Buffer> {
  return buffer(await store.read(key, signal))
}

export async function allTokens(store: Store): Promise<string[]> {
  const all: string[] = []
  for await (const token of store.tokens(signal)) all.push(token)
  return all
}

/** A content of these pieces. */
export function from(...pieces: (string | Buffer)[]): Readable {
  return Readable.from(pieces.map(piece => Buffer.from(piece)))
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
