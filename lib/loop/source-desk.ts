import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Component } from '../artifact/component.ts'
import { Masker, type ReadSecret } from '../artifact/secrets.ts'
import { optionsOf, type Source, type SourceContext, type SourceType } from '../artifact/source.ts'
import { withTimeLimit } from '../base/time-limit.ts'
import { ClusterError, messageOf } from '../errors.ts'
import { markProgram } from '../step/process-tree.ts'
import { nameSourceUse } from '../step/source-mark.ts'

/** Stops the programs of the server when it is lost: those that have its mark and are for something that is covered. */
export interface ProgramGuard {
  /** The mark; nothing where nobody watches. */
  readonly environment: Readonly<Record<string, string>>
  /** Resolves when the programs for these, which are about to start, will be stopped. */
  cover(ids: readonly string[]): Promise<void>
  release(ids: readonly string[]): void
}

export interface SourceDeskOptions {
  readonly types: ReadonlyMap<string, SourceType>
  /** Where each use gets a folder of its own. */
  readonly folder: string
  /** What programs that a source starts get. */
  readonly environment: Readonly<Record<string, string>>
  readonly guard: ProgramGuard
  /** Whose programs they are, for whoever finds them when it is gone. */
  readonly server: { readonly incarnation: string; readonly node: string }
  readonly readSecret: ReadSecret
  /** Adds lines to a component's import log. */
  readonly appendLog: (
    componentId: number,
    token: string,
    lines: readonly string[],
  ) => Promise<void>
  readonly onError: (error: unknown, name: string) => void
  /** How long a source may take to stop its programs when it has to end, in milliseconds. Defaults to 5 s. */
  readonly endingMs?: number
}

/** One use of a component's source. */
export interface SourceUse {
  /** Names the use in the import log. */
  readonly token: string
  readonly componentId: number
  readonly component: Component
  readonly signal: AbortSignal
}

/** Lets sources work: with a folder, secrets, a log, and an end. */
export class SourceDesk {
  readonly #options: SourceDeskOptions

  constructor(options: SourceDeskOptions) {
    this.#options = options
  }

  /** The types of sources that this server knows. */
  get types(): string[] {
    return [...this.#options.types.keys()]
  }

  /**
   * Opens the component's source for `work`. When the signal is aborted, a source has some seconds to stop its programs; one
   * that does not heed it is left behind then. As long as it works, its programs are stopped when the server is lost.
   * @throws {ClusterError} CW_SOURCE, or what the source or `work` threw
   */
  async use<T>(
    use: SourceUse,
    work: (source: Source, context: SourceContext) => Promise<T>,
  ): Promise<T> {
    const { types, folder, guard } = this.#options
    const { source: options } = use.component
    const type = types.get(options.type)
    if (!type) throw new ClusterError('CW_SOURCE', `no source type '${options.type}' is known here`)
    const workFolder = join(folder, use.token)
    const id = nameSourceUse({ ...this.#options.server, token: use.token })
    const masker = new Masker()
    const log = new ImportLog(this.#options, use)
    try {
      const source = type.open(optionsOf(options))
      await mkdir(workFolder, { recursive: true, mode: 0o700 })
      const context: SourceContext = {
        signal: use.signal,
        workFolder,
        limits: use.component.limits,
        environment: {
          ...this.#options.environment,
          ...guard.environment,
          ...markProgram(guard.environment, id),
        },
        log: line => log.add(masker.mask(line)),
        secret: async name => masker.add(await this.#options.readSecret(name)),
      }
      const working = this.#guarded(id, use.signal, () => work(source, context))
      return await untilAborted(use.signal, working, this.#options.endingMs)
    } catch (error) {
      const failure = masked(error, masker)
      log.add(messageOf(failure))
      throw failure
    } finally {
      await log.end()
      await rm(workFolder, { recursive: true, force: true, maxRetries: 2 }).catch(
        (error: unknown) => this.#options.onError(error, 'source'),
      )
    }
  }

  /** Begins the work when its programs are looked after, which they are until it has ended, however late. */
  async #guarded<T>(id: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { guard } = this.#options
    try {
      await guard.cover([id])
      signal.throwIfAborted()
      return await work()
    } finally {
      guard.release([id])
    }
  }
}

async function untilAborted<T>(
  signal: AbortSignal,
  work: Promise<T>,
  endingMs: number = 5000,
): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([work, aborted])
  } catch (error) {
    if (!signal.aborted) throw error
    // It may have ended well nevertheless.
    return await withTimeLimit(work, endingMs, leftBehind).catch(() => {
      throw signal.reason
    })
  } finally {
    signal.removeEventListener('abort', abort)
    // What is left behind must not end the process when it fails.
    work.catch(() => undefined)
  }
}

function leftBehind(): Error {
  return new Error('the source did not end in time')
}

/** The failure without secrets; what is no error of ours is the source's. */
function masked(error: unknown, masker: Masker): unknown {
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new ClusterError('CW_SOURCE', 'the source took longer than its time limit')
  const message = masker.mask(messageOf(error))
  if (error instanceof ClusterError)
    return message === error.message
      ? error
      : new ClusterError(error.code, message, { ...error.details, field: error.field })
  return new ClusterError('CW_SOURCE', message)
}

/** The lines of one use; written together, in their order. */
class ImportLog {
  readonly #options: SourceDeskOptions
  readonly #use: SourceUse
  #lines: string[] = []
  #writing: Promise<void> | undefined

  constructor(options: SourceDeskOptions, use: SourceUse) {
    this.#options = options
    this.#use = use
  }

  add(line: string): void {
    this.#lines.push(line.slice(0, longestLine))
    this.#writing ??= this.#write()
  }

  async end(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  async #write(): Promise<void> {
    const { appendLog, onError } = this.#options
    while (this.#lines.length > 0) {
      const lines = this.#lines
      this.#lines = []
      // The log is for people; no import fails because of it.
      await appendLog(this.#use.componentId, this.#use.token, lines).catch((error: unknown) =>
        onError(error, 'import log'),
      )
    }
    this.#writing = undefined
  }
}

const longestLine = 2000
