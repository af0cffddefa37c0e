import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { eachParallel } from '../../base/each-parallel.ts'
import { Gate } from '../../base/gate.ts'
import { objectMissing } from '../object-faults.ts'
import { checkHash, checkToken, isHash, isToken } from '../object-key.ts'
import { probe } from '../probe.ts'
import type { ObjectKey, Staging, Store, StoreClaim } from '../store.ts'
import { S3Bucket } from './s3-bucket.ts'
import { S3Staging, uploadsAtOnce } from './s3-staging.ts'
import {
  compareMark,
  markName,
  notTaken,
  readMark,
  refuseUnmarked,
  unmarked,
  writeMark,
} from './store-mark.ts'
import type { S3Location } from './store-url.ts'

export interface S3StoreOptions extends S3Location {
  /** A folder on this server's own disk, for files on their way: their key is their hash, known at their end only. */
  readonly spoolFolder: string
}

/** How many keys are removed at once. */
const width = 16

/** How many sealed attempts are remembered. */
const remembered = 10_000

/**
 * A bucket of Amazon S3 or of a server that speaks its protocol, with consistent reads as all of today have.
 *
 * `objects/<token>/<hash>` holds what an attempt writes. Sealing writes `sealed/<token>`, one key: without it, nobody
 * reads the objects.
 */
export class S3Store implements Store {
  readonly description: string
  readonly #bucket: S3Bucket
  readonly #spoolFolder: string
  readonly #uploads = new Gate(uploadsAtOnce)
  readonly #sealed = new Set<string>()
  #id: string | undefined

  constructor({ spoolFolder, ...location }: S3StoreOptions) {
    this.#bucket = new S3Bucket(location)
    this.#spoolFolder = spoolFolder
    this.description = `bucket ${this.#bucket.where}`
  }

  async check(claim: StoreClaim, signal: AbortSignal): Promise<void> {
    const { where } = this.#bucket
    let owner = await this.#owner(signal)
    if (owner === undefined) {
      refuseUnmarked(claim, await this.#isEmpty(signal), where)
      await this.#bucket.putNew(markName, Buffer.from(writeMark(claim.id)))
      owner = await this.#owner(signal)
    }
    compareMark(owner ?? claim.id, claim.id, where)
    this.#id = claim.id
    await probe(this, signal)
  }

  async recognise(claim: StoreClaim, signal: AbortSignal): Promise<void> {
    const { where } = this.#bucket
    const owner = await this.#owner(signal)
    if (owner === undefined) throw notTaken(claim, await this.#isEmpty(signal), where)
    compareMark(owner, claim.id, where)
    this.#id = claim.id
  }

  async stage(token: string): Promise<Staging> {
    checkToken(token)
    await this.#checkOwner()
    return new S3Staging({
      token,
      bucket: this.#bucket,
      spoolFolder: this.#spoolFolder,
      uploads: this.#uploads,
      remove: () => this.removeAttempt(token),
    })
  }

  async read(key: ObjectKey, signal: AbortSignal): Promise<Readable> {
    signal.throwIfAborted()
    const name = keyOf(key)
    const content = (await this.#isSealed(key.token, signal))
      ? await this.#bucket.get(name, signal)
      : undefined
    if (content) return content
    await this.#checkOwner(signal)
    throw objectMissing(key)
  }

  async remove(keys: readonly ObjectKey[]): Promise<void> {
    const names = keys.map(keyOf)
    await this.#checkOwner()
    await eachParallel(names, width, name => this.#bucket.delete(name))
    for (const token of new Set(keys.map(key => key.token)))
      if (!(await isAny(this.#bucket.list(`objects/${token}/`)))) await this.removeAttempt(token)
  }

  async *tokens(signal: AbortSignal): AsyncGenerator<string> {
    await this.#checkOwner(signal)
    const seen = new Set<string>()
    for await (const token of this.#bucket.listFolders('objects/', signal))
      if (isToken(token)) {
        seen.add(token)
        yield token
      }
    for await (const { name } of this.#bucket.list('sealed/', signal))
      if (isToken(name) && !seen.has(name)) yield name
  }

  async objectsOf(token: string): Promise<string[]> {
    checkToken(token)
    await this.#checkOwner()
    if (!(await this.#bucket.has(sealOf(token)))) return []
    const listed = await this.#bucket.listAll(`objects/${token}/`)
    return listed.map(({ name }) => name).filter(isHash)
  }

  async removeAttempt(token: string): Promise<void> {
    checkToken(token)
    await this.#checkOwner()
    this.#sealed.delete(token)
    // First, so that nobody reads an attempt of which a part is gone.
    await this.#bucket.delete(sealOf(token))
    const below = `objects/${token}/`
    await this.#bucket.abortUploads(below)
    await eachParallel(this.#bucket.list(below), width, ({ name }) =>
      this.#bucket.delete(`${below}${name}`),
    )
  }

  close(): Promise<void> {
    return this.#bucket.close()
  }

  async #isSealed(token: string, signal: AbortSignal): Promise<boolean> {
    if (this.#sealed.has(token)) return true
    if (!(await this.#bucket.has(sealOf(token), signal))) return false
    if (this.#sealed.size >= remembered) this.#sealed.clear()
    this.#sealed.add(token)
    return true
  }

  /** The cluster whose store this is, if it is one's. */
  async #owner(signal?: AbortSignal): Promise<string | undefined> {
    const mark = await this.#bucket.get(markName, signal)
    return mark && readMark(await text(mark), this.#bucket.where)
  }

  /** Of a bucket or a prefix that is not ours, nothing is told and nothing removed. */
  async #checkOwner(signal?: AbortSignal): Promise<void> {
    const { where } = this.#bucket
    const owner = await this.#owner(signal)
    if (owner === undefined) throw unmarked(where, await this.#isEmpty(signal))
    if (this.#id !== undefined) compareMark(owner, this.#id, where)
  }

  async #isEmpty(signal?: AbortSignal): Promise<boolean> {
    return !(await isAny(this.#bucket.list('', signal)))
  }
}

async function isAny(listing: AsyncGenerator): Promise<boolean> {
  const first = await listing.next()
  await listing.return(undefined)
  return first.done !== true
}

function keyOf({ token, hash }: ObjectKey): string {
  return `objects/${checkToken(token)}/${checkHash(hash)}`
}

function sealOf(token: string): string {
  return `sealed/${token}`
}
