import type { Readable } from 'node:stream'
import { ClusterError } from '../errors.ts'
import type { Component } from './component.ts'
import { FileRules } from './file-rules.ts'
import type { FileEntry, FileReceiver } from './source.ts'
import type { Staging } from './store.ts'

/** A file of a version whose content is in the store. */
export interface ReceivedFile {
  readonly path: string
  /** SHA-256 in hexadecimal. */
  readonly hash: string
  readonly size: number
  readonly executable: boolean
  readonly modifiedAt: Date | null
}

/** Takes the files that a source hands over: those that the component wants, and no more than it allows. */
export class ReceivedFiles implements FileReceiver {
  readonly #staging: Staging
  readonly #rules: FileRules
  readonly #limits: Component['limits']
  readonly #signal: AbortSignal
  readonly #onProgress: (files: number, bytes: number) => void
  readonly #files: ReceivedFile[] = []
  #admitted = 0
  #bytes = 0

  constructor(
    staging: Staging,
    component: Pick<Component, 'include' | 'exclude' | 'limits'>,
    signal: AbortSignal,
    onProgress: (files: number, bytes: number) => void,
  ) {
    this.#staging = staging
    this.#rules = new FileRules(component)
    this.#limits = component.limits
    this.#signal = signal
    this.#onProgress = onProgress
  }

  /** All files, in the order of their paths. */
  get files(): readonly ReceivedFile[] {
    return this.#files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  }

  async file(entry: FileEntry, content: Readable | (() => Readable)): Promise<void> {
    try {
      this.#signal.throwIfAborted()
      if (!this.#rules.admit(entry.path)) return discard(content)
      this.#admitted += 1
      if (this.#admitted > this.#limits.files)
        throw refused(`it has more than ${this.#limits.files} files`)
      await this.#store(entry, typeof content === 'function' ? content() : content)
    } catch (error) {
      discard(content)
      throw error
    }
  }

  async #store(entry: FileEntry, content: Readable): Promise<void> {
    const { path, size, executable = false, modifiedAt = null } = entry
    const left = this.#limits.bytes - this.#bytes
    if ((size ?? 0) > left) throw tooLarge(this.#limits.bytes)
    const stored = await this.#staging.write(content, left, this.#signal)
    if (size !== undefined && stored.size !== size)
      throw refused(`${path} has ${stored.size} bytes instead of ${size}`)
    this.#bytes += stored.size
    // Files that came at the same time had the same room left.
    if (this.#bytes > this.#limits.bytes) throw tooLarge(this.#limits.bytes)
    this.#files.push({ path, ...stored, executable, modifiedAt })
    this.#onProgress(this.#files.length, this.#bytes)
  }
}

function discard(content: Readable | (() => Readable)): void {
  if (typeof content !== 'function') content.destroy()
}

function tooLarge(bytes: number): ClusterError {
  return refused(`it has more than ${bytes} bytes`)
}

function refused(why: string): ClusterError {
  return new ClusterError('CW_ARTIFACT_REFUSED', `the version is refused: ${why}`)
}
