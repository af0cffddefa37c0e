import { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/** An output of which the buffers are used again. */
export interface PipeOutput extends Readable {
  /** Nobody looks any more at what a `data` event gave: it may be written over. Without this it stays as it is. */
  giveBack(bytes: Buffer): void
}

/** What a pipe of Linux holds, and so the most that one read gives. */
const bufferBytes = 64 * 1024

/** So many buffers wait for their next use at the most. */
const mostFree = 64

/** So few bytes are copied, into memory that the runtime shares out: a buffer would wait with them. */
const fewBytes = 4 * 1024

/** A buffer with less room than this is read into no more. */
const leastRoom = bufferBytes / 4

/** Buffers that wait for their next use, by any pipe. */
export type FreeBuffers = Buffer<ArrayBuffer>[]

/** A buffer, and how much of it was read into. */
interface Slab {
  readonly buffer: Buffer<ArrayBuffer>
  used: number
  /** How many parts of it somebody looks at. */
  lent: number
}

/**
 * Reads a pipe into buffers that are used again: each few megabytes of new ones make the collector go through
 * all of the server's memory. What comes in small parts fills a buffer before the next one is begun.
 * @param fd the end to be read; closed with the output
 * @param free where its buffers come from, and go to
 */
export function readPipe(fd: number, free: FreeBuffers): PipeOutput {
  const begin = (): Slab => {
    return { buffer: free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes), used: 0, lent: 0 }
  }
  const setFree = ({ buffer }: Slab): void => {
    if (free.length < mostFree) free.push(buffer)
  }
  const lent = new WeakMap<Buffer, Slab>()
  let slab = begin()
  let isClosed = false

  /** Where the next bytes are read to. */
  const room = (): Buffer<ArrayBuffer> => {
    if (slab.lent === 0) slab.used = 0
    else if (slab.buffer.length - slab.used < leastRoom) slab = begin()
    return slab.buffer.subarray(slab.used)
  }
  const lend = (bytes: Buffer): void => {
    slab.used += bytes.length
    slab.lent++
    lent.set(bytes, slab)
  }

  const output = new Socket({
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer: room,
      callback(count) {
        const bytes = slab.buffer.subarray(slab.used, slab.used + count)
        // What comes while nobody listens waits in the stream, and what follows it waits behind it.
        if (output.readableFlowing !== true || output.readableLength > 0)
          return output.push(Buffer.from(bytes))
        if (count > fewBytes) lend(bytes)
        output.emit('data', count > fewBytes ? bytes : Buffer.from(bytes))
        return true
      },
    },
  })
  output.once('close', () => {
    isClosed = true
    if (slab.lent === 0) setFree(slab)
  })
  return Object.assign(output, {
    giveBack(bytes: Buffer) {
      const from = lent.get(bytes)
      if (!from || !lent.delete(bytes)) return
      from.lent--
      if (from.lent === 0 && (from !== slab || isClosed)) setFree(from)
    },
  })
}
