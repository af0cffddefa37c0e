import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ClusterError, messageOf } from '../errors.ts'
import { readPipe, type FreeBuffers, type PipeOutput } from './read-pipe.ts'
import { pipePlaces, pipesFolderPrefix, removeAbandonedPipes } from './pipe-places.ts'

/** One output of a command: the program writes into it and we read. */
export interface Pipe {
  readonly output: PipeOutput
  /** For the program. Whoever took the pipe closes it: as long as anybody has it, the output does not end. */
  readonly writeFd: number
}

export interface PipeSupplyOptions {
  /** Where pipes are made, the first place that works. Defaults to /dev/shm, which is memory, and the system's temporary folder. */
  readonly places?: readonly string[]
  /** Told why no pipes can be made, once until some can. Commands do without. */
  readonly onFailure: (error: ClusterError) => void
}

interface Ends {
  readonly readFd: number
  readonly writeFd: number
}

/**
 * How many are made at once, and how few may be left. To start `mkfifo` costs as much as to start a command, which takes two
 * pipes; Linux makes a user's pipes smaller beyond about 1000.
 */
const batch = 64
const reserve = 16

const mkfifoTimeoutMs = 5000

/**
 * Pipes for the outputs of commands, made in advance. Node gives its children sockets instead, and Linux
 * opens no socket by its name: `echo warning > /dev/stderr` would fail in every script.
 *
 * Node cannot make pipes, but it can open named ones (FIFOs), and one `mkfifo` makes many. They lose
 * their names as soon as they are open, and differ from others in one thing only: a process that was
 * left behind, and opens /dev/stderr when nobody reads it any more, waits there for ever.
 */
export class PipeSupply {
  readonly #options: PipeSupplyOptions
  readonly #stock: Ends[] = []
  readonly #swept = new Set<string>()
  readonly #buffers: FreeBuffers = []
  #filling: Promise<boolean> | undefined
  #isFailing = false
  #isClosed = false

  constructor(options: PipeSupplyOptions) {
    this.#options = options
  }

  /** @returns two pipes, for stdout and stderr, which are the caller's now; or none when none can be made */
  async take(): Promise<readonly Pipe[]> {
    while (this.#stock.length < 2) if (!(await this.#fill())) return []
    const taken = this.#stock.splice(-2)
    if (this.#stock.length < reserve) void this.#fill()
    return taken.map(({ readFd, writeFd }) => ({
      output: readPipe(readFd, this.#buffers),
      writeFd,
    }))
  }

  /** Closes what nobody took; after this there are no more. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { readFd, writeFd } of this.#stock.splice(0)) {
      closeSync(readFd)
      closeSync(writeFd)
    }
    await this.#filling
  }

  /** Makes more, unless that is under way. @returns whether it could */
  #fill(): Promise<boolean> {
    // On other systems /dev/stderr is a copy of the descriptor, whatever that is.
    if (this.#isClosed || process.platform !== 'linux') return Promise.resolve(false)
    this.#filling ??= this.#makeBatch().finally(() => {
      this.#filling = undefined
    })
    return this.#filling
  }

  async #makeBatch(): Promise<boolean> {
    const { places = pipePlaces(), onFailure } = this.#options
    const failures: unknown[] = []
    for (const place of places)
      try {
        await this.#makeBatchIn(place)
        this.#isFailing = false
        return true
      } catch (error) {
        failures.push(error)
      }
    if (!this.#isFailing) onFailure(unavailable(failures))
    this.#isFailing = true
    return false
  }

  async #makeBatchIn(place: string): Promise<void> {
    this.#sweep(place)
    // Only its owner may enter the folder, so nobody else can open what is in it.
    const folder = await mkdtemp(join(place, pipesFolderPrefix))
    try {
      const names = await makeFifos(folder)
      if (!this.#isClosed) for (const name of names) this.#stock.push(openFifo(join(folder, name)))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  /** Once: what earlier servers could not remove, because they were killed. A failure harms nobody. */
  #sweep(place: string): void {
    if (this.#swept.has(place)) return
    this.#swept.add(place)
    try {
      removeAbandonedPipes(place)
    } catch {
      // Somebody else removes it at the same time, or it cannot be removed; the doctor shows it.
    }
  }
}

async function makeFifos(cwd: string): Promise<string[]> {
  const names = Array.from({ length: batch }, (_, index) => String(index))
  // All may write: a script may become another user before it opens /dev/stderr.
  await promisify(execFile)('mkfifo', ['-m', '622', ...names], { cwd, timeout: mkfifoTimeoutMs })
  return names
}

/** The reader comes first, and does not wait: to open only one end of a FIFO is to wait for the other. */
function openFifo(path: string): Ends {
  const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return { readFd, writeFd: openSync(path, constants.O_WRONLY) }
  } catch (error) {
    closeSync(readFd)
    throw error
  }
}

function unavailable(failures: readonly unknown[]): ClusterError {
  const reasons = failures.map(failure => messageOf(failure).trimEnd().split('\n').at(-1))
  return new ClusterError(
    'CW_CONFIG',
    `expected mkfifo to make pipes, got ${reasons.join(' and ')}; commands run without them, but cannot open /dev/stdout and /dev/stderr`,
    { cause: failures.at(-1) },
  )
}
