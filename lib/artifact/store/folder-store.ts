import type { Readable } from 'node:stream'
import { eachParallel } from '../../base/each-parallel.ts'
import { ClusterError } from '../../errors.ts'
import { objectDamaged, objectMissing } from '../object-faults.ts'
import { checkHash, checkToken, isHash, isToken } from '../object-key.ts'
import { probe } from '../probe.ts'
import { stagingGone } from '../staging-faults.ts'
import type { ObjectKey, Staging, Store, StoreClaim } from '../store.ts'
import { Folder } from './folder.ts'
import { errorCode, folderFault, unless } from './folder-faults.ts'
import { isUntouched, markFolder, ownerOf } from './folder-mark.ts'
import { FolderStaging } from './folder-staging.ts'
import { readHandle } from './read-handle.ts'
import { compareMark, notTaken, unmarked } from './store-mark.ts'

export interface FolderStoreOptions {
  /** Absolute. The folder must be there. */
  readonly path: string
  /** How long one operation of the file system may take, in milliseconds. Defaults to 30 s. */
  readonly timeoutMs?: number
}

/** How many files are looked at or removed at once; Node has four threads for it. */
const width = 8

/**
 * A folder that all servers see, or that of one server alone.
 *
 * `staging/<token>/` holds what an attempt writes. Sealing renames it to `objects/<token>/`, which is one step for the
 * file system: nobody ever sees a part of it.
 */
export class FolderStore implements Store {
  readonly description: string
  readonly #path: string
  readonly #timeoutMs: number
  #id: string | undefined

  constructor({ path, timeoutMs = 30_000 }: FolderStoreOptions) {
    this.#path = path
    this.#timeoutMs = timeoutMs
    this.description = `folder ${path}`
  }

  async check(claim: StoreClaim, signal: AbortSignal): Promise<void> {
    await this.#reach(async root => {
      const owner = await markFolder(root, claim, this.#path)
      compareMark(owner, claim.id, this.#path)
      for (const name of ['objects', 'staging']) await root.makeFolder(name).catch(unless('EEXIST'))
    })
    this.#id = claim.id
    await probe(this, signal)
  }

  async recognise(claim: StoreClaim, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await this.#reach(async root => {
      const owner = await ownerOf(root, this.#path)
      if (owner === undefined) throw notTaken(claim, await isUntouched(root), this.#path)
      compareMark(owner, claim.id, this.#path)
    })
    this.#id = claim.id
  }

  stage(token: string): Promise<Staging> {
    checkToken(token)
    return this.#inStore(async root => {
      const staging = await root.enter('staging')
      try {
        await staging.makeFolder(token)
        const folder = await staging.enter(token)
        return new FolderStaging({
          token,
          folder,
          path: this.#path,
          seal: () => this.#inStore(below => seal(below, token)),
          remove: () => this.removeAttempt(token),
        })
      } finally {
        staging.close()
      }
    })
  }

  async read(key: ObjectKey, signal: AbortSignal): Promise<Readable> {
    signal.throwIfAborted()
    try {
      return await this.#reach(root => openObject(root, key, this.#path, signal))
    } catch (error) {
      // Below a share that is not mounted, every object is missing.
      if (error instanceof ClusterError && error.code === 'CW_OBJECT_MISSING')
        await this.#inStore(async () => undefined)
      throw error
    }
  }

  async remove(keys: readonly ObjectKey[]): Promise<void> {
    const byToken = Map.groupBy(keys, key => checkToken(key.token))
    await this.#inStore(root =>
      inFolder(root, 'objects', objects =>
        eachParallel(byToken, 1, ([token, group]) =>
          removeFrom(
            objects,
            token,
            group.map(key => checkHash(key.hash)),
          ),
        ),
      ),
    )
  }

  async *tokens(signal: AbortSignal): AsyncGenerator<string> {
    const seen = new Set<string>()
    // An attempt that is sealed meanwhile goes from the first to the second, and is seen.
    for (const name of ['staging', 'objects']) {
      signal.throwIfAborted()
      const names = await this.#inStore(root => inFolder(root, name, folder => folder.list()))
      for (const token of names)
        if (isToken(token) && !seen.has(token)) {
          seen.add(token)
          yield token
        }
    }
  }

  async objectsOf(token: string): Promise<string[]> {
    checkToken(token)
    const names = await this.#inStore(root =>
      inFolder(root, 'objects', objects => listIfThere(objects, token)),
    )
    return names.filter(isHash)
  }

  async removeAttempt(token: string): Promise<void> {
    checkToken(token)
    // In this order, because an attempt that is sealed meanwhile goes this way.
    for (const name of ['staging', 'objects'])
      await this.#inStore(root => inFolder(root, name, folder => removeAll(folder, token)))
  }

  async close(): Promise<void> {
    // Nothing is kept open.
  }

  /** With the root, once its mark says that it is ours: what is done to a share that is not mounted would be lost. */
  #inStore<Value>(work: (root: Folder) => Promise<Value>): Promise<Value> {
    return this.#reach(async root => {
      const owner = await ownerOf(root, this.#path)
      if (owner === undefined) throw unmarked(this.#path, (await root.list()).length === 0)
      if (this.#id !== undefined) compareMark(owner, this.#id, this.#path)
      return work(root)
    })
  }

  /** The root is opened each time: kept open, it would keep a share from being unmounted. */
  async #reach<Value>(work: (root: Folder) => Promise<Value>): Promise<Value> {
    let root: Folder | undefined
    try {
      root = await Folder.open(this.#path, this.#timeoutMs)
      return await work(root)
    } catch (error) {
      throw folderFault(error, this.#path)
    } finally {
      root?.close()
    }
  }
}

async function seal(root: Folder, token: string): Promise<void> {
  await inFolder(root, 'staging', staging =>
    inFolder(root, 'objects', async objects => {
      await staging.rename(token, objects, token).catch((error: unknown) => {
        throw errorCode(error) === 'ENOENT' ? stagingGone(token, error) : error
      })
      await objects.sync()
      await staging.sync()
    }),
  )
}

async function openObject(
  root: Folder,
  key: ObjectKey,
  path: string,
  signal: AbortSignal,
): Promise<Readable> {
  const token = checkToken(key.token)
  const hash = checkHash(key.hash)
  try {
    return await inFolder(root, 'objects', objects =>
      inFolder(objects, token, async folder => {
        const file = await folder.read(hash)
        const stats = await folder.within(file.stat())
        if (stats.isFile()) return readHandle(file, { folder, path, size: stats.size, signal })
        await file.close()
        throw objectDamaged(key, 'it is no file')
      }),
    )
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') throw objectMissing(key, error)
    if (code === 'ELOOP') throw objectDamaged(key, 'it is a link')
    throw error
  }
}

async function inFolder<Value>(
  parent: Folder,
  name: string,
  work: (folder: Folder) => Promise<Value>,
): Promise<Value> {
  const folder = await parent.enter(name)
  try {
    return await work(folder)
  } finally {
    folder.close()
  }
}

async function listIfThere(parent: Folder, name: string): Promise<string[]> {
  const names = await inFolder(parent, name, folder => folder.list()).catch(unless('ENOENT'))
  return names ?? []
}

async function removeFrom(parent: Folder, name: string, files: readonly string[]): Promise<void> {
  await inFolder(parent, name, folder =>
    eachParallel(files, width, file => folder.removeFile(file).catch(unless('ENOENT'))),
  ).catch(unless('ENOENT'))
  await parent.removeFolder(name).catch(unless('ENOENT', 'ENOTEMPTY', 'EEXIST'))
}

/** A server that does not know yet that it was declared lost may go on to write; then there is more to be removed. */
async function removeAll(parent: Folder, name: string): Promise<void> {
  for (let round = 0; round < 10; round++) {
    const files = await listIfThere(parent, name)
    await removeFrom(parent, name, files)
    if (files.length === 0) return
  }
}
