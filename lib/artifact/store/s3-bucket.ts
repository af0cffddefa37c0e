import { createHash } from 'node:crypto'
import { addAbortSignal, type Readable } from 'node:stream'
import type { S3, S3ClientConfig } from '@aws-sdk/client-s3'
import { ClusterError } from '../../errors.ts'
import { errorCode } from './folder-faults.ts'
import { isNoKey, isTaken, s3Fault, statusOf } from './s3-faults.ts'
import type { S3Location } from './store-url.ts'
import { PieceReader } from '../piece-reader.ts'

/** How long a connection, silence, and a request as a whole may take, in milliseconds. */
const limits = { connection: 10_000, silence: 30_000, request: 60_000 }

/** What lies below a prefix. */
export interface Listed {
  /** Without the prefix. */
  readonly name: string
  readonly size: number
}

/** The part of a bucket that is the store's. Keys are relative to it. The client is loaded when it is first used. */
export class S3Bucket {
  readonly where: string
  readonly #location: S3Location
  readonly #base: string
  #opening: Promise<S3> | undefined

  constructor(location: S3Location) {
    const { bucket, prefix } = location
    this.#location = location
    this.#base = prefix === '' ? '' : `${prefix}/`
    this.where = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`
  }

  /** The server refuses content that has changed on its way. */
  async put(key: string, content: Buffer, signal?: AbortSignal): Promise<void> {
    const body = { Body: content, ContentLength: content.length, ContentMD5: md5(content) }
    await this.#ask(s3 => s3.putObject({ ...this.#at(key), ...body }, within(signal)), signal)
  }

  /** Writes a key that is not there yet. A server that does not know how to make sure of that just writes it. */
  async putNew(key: string, content: Buffer): Promise<void> {
    try {
      await this.#try(s3 => s3.putObject({ ...this.#at(key), Body: content, IfNoneMatch: '*' }))
    } catch (error) {
      if (isTaken(error)) return
      if (statusOf(error) !== 501) throw s3Fault(error, this.where)
      await this.put(key, content)
    }
  }

  /** Undefined when it is not there. */
  async get(key: string, signal?: AbortSignal): Promise<Readable | undefined> {
    const answer = await this.#unlessMissing(
      s3 => s3.getObject(this.#at(key), within(signal)),
      signal,
    )
    if (!answer) return undefined
    const body = answer.Body as Readable
    const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
    const content = new PieceReader(
      {
        next: async () => {
          try {
            return (await iterator.next()).value ?? Buffer.alloc(0)
          } catch (error) {
            throw this.#fault(error, signal)
          }
        },
        close: async () => void body.destroy(),
      },
      2 ** 16,
    )
    return signal ? addAbortSignal(signal, content) : content
  }

  async has(key: string, signal?: AbortSignal): Promise<boolean> {
    const head = await this.#unlessMissing(
      s3 => s3.headObject(this.#at(key), within(signal)),
      signal,
    )
    return head !== undefined
  }

  /** A key that is not there is no error. */
  async delete(key: string): Promise<void> {
    await this.#unlessMissing(s3 => s3.deleteObject(this.#at(key)))
  }

  /** The keys below a prefix that ends with a slash. */
  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<Listed> {
    const start = `${this.#base}${prefix}`
    for await (const page of this.#pages({ Prefix: start }, signal))
      for (const { Key, Size } of page.Contents ?? [])
        if (Key !== undefined) yield { name: Key.slice(start.length), size: Size ?? 0 }
  }

  async listAll(prefix: string): Promise<Listed[]> {
    const all: Listed[] = []
    for await (const one of this.list(prefix)) all.push(one)
    return all
  }

  /** The names directly below a prefix that ends with a slash and that have keys below them. */
  async *listFolders(prefix: string, signal?: AbortSignal): AsyncGenerator<string> {
    const start = `${this.#base}${prefix}`
    for await (const page of this.#pages({ Prefix: start, Delimiter: '/' }, signal))
      for (const { Prefix } of page.CommonPrefixes ?? [])
        if (Prefix !== undefined) yield Prefix.slice(start.length, -1)
  }

  async beginUpload(key: string, signal: AbortSignal): Promise<Upload> {
    const { UploadId } = await this.#ask(
      s3 => s3.createMultipartUpload(this.#at(key), within(signal)),
      signal,
    )
    const id = { ...this.#at(key), UploadId }
    const parts: { PartNumber: number; ETag: string | undefined }[] = []
    return {
      put: async (number, content) => {
        const body = { Body: content, ContentLength: content.length, ContentMD5: md5(content) }
        const part = { ...id, ...body, PartNumber: number }
        const { ETag } = await this.#ask(s3 => s3.uploadPart(part, within(signal)), signal)
        parts.push({ PartNumber: number, ETag })
      },
      complete: async () => {
        const Parts = parts.toSorted((one, other) => one.PartNumber - other.PartNumber)
        const MultipartUpload = { Parts }
        await this.#ask(
          s3 => s3.completeMultipartUpload({ ...id, MultipartUpload }, within(signal)),
          signal,
        )
      },
      abort: async () => void (await this.#ask(s3 => s3.abortMultipartUpload(id))),
    }
  }

  /** Ends the uploads in parts below a prefix, where the server can list them. */
  async abortUploads(prefix: string): Promise<void> {
    const { bucket } = this.#location
    const below = { Bucket: bucket, Prefix: `${this.#base}${prefix}` }
    try {
      const { Uploads = [] } = await this.#try(s3 => s3.listMultipartUploads(below))
      for (const { Key, UploadId } of Uploads)
        await this.#try(s3 => s3.abortMultipartUpload({ Bucket: bucket, Key, UploadId }))
    } catch (error) {
      if (![404, 501].includes(statusOf(error) ?? 0)) throw s3Fault(error, this.where)
    }
  }

  async close(): Promise<void> {
    const s3 = await this.#opening?.catch(() => undefined)
    this.#opening = undefined
    s3?.destroy()
  }

  async *#pages(below: { Prefix: string; Delimiter?: string }, signal?: AbortSignal) {
    let next: string | undefined
    do {
      const query = {
        Bucket: this.#location.bucket,
        ...below,
        ...(next && { ContinuationToken: next }),
      }
      const page = await this.#ask(s3 => s3.listObjectsV2(query, within(signal)), signal)
      yield page
      next = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (next !== undefined)
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#location.bucket, Key: `${this.#base}${key}` }
  }

  async #unlessMissing<Answer>(
    ask: (s3: S3) => Promise<Answer>,
    signal?: AbortSignal,
  ): Promise<Answer | undefined> {
    try {
      return await this.#try(ask)
    } catch (error) {
      if (isNoKey(error)) return undefined
      throw this.#fault(error, signal)
    }
  }

  async #ask<Answer>(ask: (s3: S3) => Promise<Answer>, signal?: AbortSignal): Promise<Answer> {
    try {
      return await this.#try(ask)
    } catch (error) {
      throw this.#fault(error, signal)
    }
  }

  /** Whoever gave up learns the reason for it, and nothing of the store. */
  #fault(error: unknown, signal: AbortSignal | undefined): unknown {
    return signal?.aborted ? signal.reason : s3Fault(error, this.where)
  }

  async #try<Answer>(ask: (s3: S3) => Promise<Answer>): Promise<Answer> {
    return ask(await (this.#opening ??= openClient(this.#location)))
  }
}

/** A content that is sent in parts. */
export interface Upload {
  /** @param number from 1 on */
  put(number: number, content: Buffer): Promise<void>
  complete(): Promise<void>
  abort(): Promise<void>
}

async function openClient({ endpoint, region, forcePathStyle }: S3Location): Promise<S3> {
  const S3 = await loadClient()
  const config: S3ClientConfig = {
    ...(region !== undefined && { region }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
    requestHandler: {
      connectionTimeout: limits.connection,
      socketTimeout: limits.silence,
      requestTimeout: limits.request,
      throwOnRequestTimeout: true,
    },
  }
  if (endpoint === undefined) return new S3(config)
  // Servers that are not Amazon's may keep the checksums that the client would send behind the content as content.
  return new S3({
    ...config,
    endpoint,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
}

async function loadClient(): Promise<new (config: S3ClientConfig) => S3> {
  try {
    const client = await import('@aws-sdk/client-s3')
    return client.S3
  } catch (error) {
    if (errorCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new ClusterError(
      'CW_OPTION',
      'a store in S3 needs the package @aws-sdk/client-s3, which is not installed; run: npm install @aws-sdk/client-s3',
      { field: 'store', cause: error },
    )
  }
}

function within(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {}
}

function md5(content: Buffer): string {
  return createHash('md5').update(content).digest('base64')
}
