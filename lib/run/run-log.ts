import type { LogSink, LogStream, LogText } from '../base/log-sink.ts'
import type { LogPiece } from '../base/record.ts'

/** How long a piece waits for more text before it is written, in milliseconds. */
const lingerMs = 25

/** A piece of this many bytes is written at once. */
const largestPiece = 256 * 1024

/**
 * Whoever writes waits when so many bytes of the run are not in the database yet: enough for the two statements that may be
 * under way, and the next one.
 */
const mostUnwritten = 3 * 1024 * 1024

/** Who writes. */
interface Origin {
  readonly step: string | null
  readonly stream: LogStream
}

/** A piece that text is still added to. */
interface OpenPiece extends Origin {
  readonly parts: LogText[]
  size: number
  /** Whom to tell that the text is stored. */
  readonly stored: (() => void)[]
}

/**
 * The log of one run. Text of one step and stream that comes in quick succession is written as one piece;
 * pieces are numbered in the order in which their text came.
 */
export class RunLog {
  readonly #requestId: string
  readonly #append: (piece: LogPiece) => Promise<void>
  readonly #onError: (error: unknown) => void
  #seq = 0
  #open: OpenPiece | undefined
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
    return { write: (stream, text, onStored) => this.#write({ step, stream }, text, onStored) }
  }

  /** Resolves when all that was written so far is in the database. */
  async flush(): Promise<void> {
    this.#seal()
    if (this.#writes) await Promise.all(this.#writes)
  }

  async #write(from: Origin, text: LogText, onStored?: () => void): Promise<void> {
    if (text.length === 0) return
    const { step, stream } = from
    if (this.#open && (this.#open.step !== step || this.#open.stream !== stream)) this.#seal()
    this.#open ??= { step, stream, parts: [], size: 0, stored: [] }
    this.#open.parts.push(text)
    if (onStored) this.#open.stored.push(onStored)
    this.#open.size += text.length
    this.#unwritten += text.length
    if (this.#open.size >= largestPiece) this.#seal()
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
    const { stored, ...rest } = open
    const piece = { requestId: this.#requestId, seq: ++this.#seq, ...rest }
    const writes = (this.#writes ??= new Set())
    const write: Promise<void> = this.#append(piece)
      // What could not be stored may still be on its way to a database that does not answer: nobody may change it.
      .then(() => stored.forEach(tell => tell()), this.#onError)
      .finally(() => {
        this.#unwritten -= open.size
        writes.delete(write)
      })
    writes.add(write)
  }
}
