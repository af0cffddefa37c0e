import type { LogSink } from '../base/log-sink.ts'
import { keepLastLines } from './last-lines.ts'
import type { OutputChunk } from './merge-outputs.ts'
import { makeOutputDecoder } from './output-decoder.ts'

/** What a step remembers of a program's output, and its way to the log. */
export interface OutputRecord {
  /** Takes the next piece; await it before the next. */
  take(chunk: OutputChunk): Promise<void>
  /** Writes what the end leaves, and how much of the output was cut. */
  end(): Promise<void>
  /** The last 16 KiB of stdout, without the newline at the end. */
  stdout(): string
  /** The last lines of both outputs. */
  lastLines(): string[]
}

const tailBytes = 16 * 1024

/** @param limit how many bytes of output go to the log; what comes later is thrown away */
export function recordOutput(sink: LogSink, limit: number): OutputRecord {
  const decoders = { stdout: makeOutputDecoder(), stderr: makeOutputDecoder() }
  const lines = keepLastLines()
  let kept = 0
  let discarded = 0
  const tail = keepTail(tailBytes)

  const remember = (stream: OutputChunk['stream'], texts: readonly Buffer[]): void => {
    for (const text of texts) {
      lines.add(stream, text)
      if (stream === 'stdout') tail.add(text)
    }
  }
  /** What is stored last was read last, and none of the bytes is needed then. */
  const print = async (
    stream: OutputChunk['stream'],
    texts: readonly Buffer[],
    onStored?: () => void,
  ) => {
    for (const [index, text] of texts.entries())
      await sink.write(stream, text, index === texts.length - 1 ? onStored : undefined)
    if (texts.length === 0) onStored?.()
  }

  return {
    async take({ stream, bytes, giveBack }) {
      const decode = decoders[stream]
      const inLimit = bytes.subarray(0, limit - kept)
      const beyond = bytes.subarray(inLimit.length)
      kept += inLimit.length
      discarded += beyond.length
      const texts = decode(inLimit)
      remember(stream, texts)
      if (beyond.length > 0) remember(stream, decode(beyond))
      await print(stream, texts, giveBack)
    },
    async end() {
      for (const stream of ['stdout', 'stderr'] as const) {
        const texts = decoders[stream]()
        remember(stream, texts)
        if (discarded === 0) await print(stream, texts)
      }
      if (discarded > 0)
        await sink.write(
          'system',
          `[output truncated: kept the first ${kept} bytes, ${discarded} bytes more were discarded]\n`,
        )
    },
    stdout: () => wholeCharacters(tail.bytes()).replace(/\r?\n$/, ''),
    lastLines: () => lines.list(),
  }
}

/** Keeps the last bytes of what is added, in memory of its own. */
function keepTail(most: number) {
  let kept = Buffer.alloc(0)
  let length = 0
  return {
    add(bytes: Buffer): void {
      if (kept.length === 0) kept = Buffer.allocUnsafeSlow(most)
      const added = bytes.subarray(-most)
      const stays = Math.min(length, most - added.length)
      kept.copyWithin(0, length - stays, length)
      added.copy(kept, stays)
      length = stays + added.length
    },
    bytes: () => kept.subarray(0, length),
  }
}

/** A text in UTF-8 of which the beginning was cut off, without the rest of a character that the cut went through. */
function wholeCharacters(bytes: Buffer): string {
  const start = bytes.findIndex(byte => (byte & 0b1100_0000) !== 0b1000_0000)
  return bytes.subarray(Math.max(start, 0)).toString()
}
