import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Test } from 'tap'
import { FolderStore } from '../../lib/artifact/store/folder-store.ts'
import type { ObjectKey, Store } from '../../lib/artifact/store.ts'
import type { PublishedObject } from '../../lib/artifact/verified-read.ts'
import { objectMissing } from '../../lib/artifact/object-faults.ts'
import { makeFolder } from '../support/binary.ts'
import { put, sha256, signal } from './store-content.ts'

/** What a network file system shows of a file for some time after another server has written it. */
export type Sight = 'nothing' | 'a part' | 'something old' | 'more'

/** A store with these texts in it, in a folder. */
export async function fillStore(
  t: Test,
  texts: readonly string[],
): Promise<{ store: Store; folder: string; objects: PublishedObject[] }> {
  const folder = await makeFolder(t)
  const store = new FolderStore({ path: folder })
  await store.check({ id: 'cluster-a', wasUsed: false }, signal)
  const token = randomUUID()
  await put(store, token, texts)
  const objects = texts.map(text => ({ token, hash: sha256(text), size: Buffer.byteLength(text) }))
  return { store, folder, objects }
}

/** The same store through a file system that shows these first, one look each; `reads` counts the looks. */
export function lateStore(store: Store, sights: readonly Sight[]): Store & { reads: number } {
  const waiting = [...sights]
  const late: Store & { reads: number } = {
    reads: 0,
    description: store.description,
    check: store.check.bind(store),
    recognise: store.recognise.bind(store),
    stage: store.stage.bind(store),
    remove: store.remove.bind(store),
    tokens: store.tokens.bind(store),
    objectsOf: store.objectsOf.bind(store),
    removeAttempt: store.removeAttempt.bind(store),
    close: store.close.bind(store),
    async read(key, signal) {
      late.reads++
      const sight = waiting.shift()
      if (sight === 'nothing') throw objectMissing(key)
      const content = await store.read(key, signal)
      if (sight === undefined) return content
      const bytes = Buffer.concat(await content.toArray())
      return Readable.from([distort(bytes, sight)])
    },
  }
  return late
}

/** Where the folder store keeps an object. */
export function objectPath(folder: string, { token, hash }: ObjectKey): string {
  return join(folder, 'objects', token, hash)
}

function distort(bytes: Buffer, sight: Sight): Buffer {
  if (sight === 'a part') return bytes.subarray(0, bytes.length - 1)
  if (sight === 'more') return Buffer.concat([bytes, Buffer.from('x')])
  return Buffer.alloc(bytes.length, 'o')
}
