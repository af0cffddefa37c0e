import type { LogSink, LogStream } from '../base/log-sink.ts'
import type { LogPiece } from '../base/record.ts'

/** How long a piece waits for more text before it is written, in milliseconds. */
const lingerMs = 25

/** A piece of this many characters is written at once. */
const largestPiece = 64 * 1024

/** Whoever writes waits when so many characters of the run are not in the database yet. */
const mostUnwritten = 1024 * 1024

/**
 * The log of one run. Text of one step and stream that comes in quick succession is written as one piece;
 * pieces are numbered in the order in which their text came.
 */
export class RunLog {
  readonly #requestId: string
  readonly #append: (piece: LogPiece) => Promise<void>
  readonly #onError: (error: unknown) => void
  #seq = 0
  #open: { step: string | null; stream: LogStream; parts: string[]; length: number } | undefined
  #timer: NodeJS.Timeout | undefined
  #unwritten = 0
  /** Most runs write nothing. */
  #writes: Set<Promise<void>> | undefined

  /** @param append must keep the order of its calls */
  constructor(
    requestId: string,
    append: (piece: LogPiece) => Promise<void>,
    onError: (error: unknown) => void,
  ) {
    this.#requestId = requestId
    this.#append = append
    this.#onError = onError
  }

  /** Where a step writes. */
  sinkOf(step: string | null): LogSink {
    return { write: (stream, text) => this.#write(step, stream, text) }
  }

  /** Resolves when all that was written so far is in the database. */
  async flush(): Promise<void> {
    this.#seal()
    if (this.#writes) await Promise.all(this.#writes)
  }

  async #write(step: string | null, stream: LogStream, text: string): Promise<void> {
    if (text === '') return
    if (this.#open && (this.#open.step !== step || this.#open.stream !== stream)) this.#seal()
    this.#open ??= { step, stream, parts: [], length: 0 }
    this.#open.parts.push(text)
    this.#open.length += text.length
    this.#unwritten += text.length
    if (this.#open.length >= largestPiece) this.#seal()
    else this.#timer ??= setTimeout(() => this.#seal(), lingerMs)
    while (this.#unwritten > mostUnwritten && this.#writes && this.#writes.size > 0)
      await Promise.race(this.#writes)
  }

  #seal(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const open = this.#open
    if (!open) return
    this.#open = undefined
    const { step, stream } = open
    const piece = {
      requestId: this.#requestId,
      seq: ++this.#seq,
      step,
      stream,
      text: open.parts.join(''),
    }
    const writes = (this.#writes ??= new Set())
    const write: Promise<void> = this.#append(piece)
      .catch(this.#onError)
      .finally(() => {
        this.#unwritten -= open.length
        writes.delete(write)
      })
    writes.add(write)
  }
}
