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

/** So few bytes are copied: while they wait, a whole buffer would wait with them. */
const fewBytes = bufferBytes / 2

/** Buffers that wait for their next use, by any pipe. */
export type FreeBuffers = Buffer<ArrayBuffer>[]

/**
 * Reads a pipe into buffers that are used again: each few megabytes of new ones make the collector go through
 * all of the server's memory.
 * @param fd the end to be read; closed with the output
 * @param free where its buffers come from, and go to
 */
export function readPipe(fd: number, free: FreeBuffers): PipeOutput {
  const takeFree = () => free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)
  const setFree = (buffer: Buffer<ArrayBuffer>): void => {
    if (free.length < mostFree) free.push(buffer)
  }
  let next = takeFree()
  const lent = new WeakMap<ArrayBufferLike, typeof next>()
  const lend = (): void => {
    lent.set(next.buffer, next)
    next = takeFree()
  }
  const output = new Socket({
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer: () => next,
      callback(count) {
        const bytes = next.subarray(0, count)
        // What comes while nobody listens waits in the stream, and what follows it waits behind it.
        if (output.readableFlowing !== true || output.readableLength > 0)
          return output.push(Buffer.from(bytes))
        if (count > fewBytes) lend()
        output.emit('data', count > fewBytes ? bytes : Buffer.from(bytes))
        return true
      },
    },
  })
  output.once('close', () => setFree(next))
  return Object.assign(output, {
    giveBack(bytes: Buffer) {
      const buffer = lent.get(bytes.buffer)
      if (lent.delete(bytes.buffer) && buffer) setFree(buffer)
    },
  })
}
