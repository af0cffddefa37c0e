import { Readable } from 'node:stream'
import type { PipeOutput } from './read-pipe.ts'

/** What a program prints; a pipe of ours, or one of Node's. */
export type ProgramOutput = Readable & Partial<Pick<PipeOutput, 'giveBack'>>

export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr'
  /** At most 64 KiB: what one read of the operating system gave. */
  readonly bytes: Buffer
  /** Nobody needs the bytes any more: others may take their place. */
  readonly giveBack: () => void
}

/** The two outputs of a program as one sequence, in the order in which the pieces arrived. */
export interface MergedOutputs {
  /** The pieces. The program is made to wait while too much is held for whoever takes them. */
  chunks(): AsyncGenerator<OutputChunk>
  /** The program has ended: takes what is left until both outputs end, but no longer than this. */
  finish(graceMs: number): Promise<void>
  /** Stops reading at once; what was read already still comes. */
  close(): void
}

const heldWhileRunning = 256 * 1024

/** More than the operating system's buffers and ours hold: what an ended program wrote is never lost. */
const heldAfterExit = 1024 * 1024

export function mergeOutputs(stdout: ProgramOutput, stderr: ProgramOutput): MergedOutputs {
  const sources = [stdout, stderr]
  const merged = new Readable({ objectMode: true, read() {} })
  let held = 0
  let room = heldWhileRunning

  const balance = () => {
    for (const source of sources)
      if (held < room) source.resume()
      else source.pause()
  }
  const take = (stream: OutputChunk['stream'], source: ProgramOutput) => {
    source.on('data', (bytes: Buffer) => {
      held += bytes.length
      merged.push({ stream, bytes, giveBack: () => source.giveBack?.(bytes) })
      balance()
    })
  }
  const close = () => {
    for (const source of sources) source.destroy()
  }
  take('stdout', stdout)
  take('stderr', stderr)
  // A failed read ends the stream, and 'close' tells us; without a listener it would end the server.
  for (const source of sources) source.on('error', () => {})
  const closed = Promise.all(sources.map(source => closing(source)))
  void closed.then(() => merged.push(null))

  return {
    async *chunks() {
      for await (const chunk of merged as AsyncIterable<OutputChunk>) {
        yield chunk
        held -= chunk.bytes.length
        balance()
      }
    },
    async finish(graceMs) {
      room = heldAfterExit
      balance()
      const timer = setTimeout(close, graceMs)
      await closed
      clearTimeout(timer)
    },
    close,
  }
}

function closing(source: Readable): Promise<void> {
  return new Promise(resolve => {
    source.once('close', resolve)
  })
}
