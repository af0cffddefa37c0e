import { mkdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError, messageOf } from '../errors.ts'

/** The folder of one run: made when a step first asks for it, removed when the run ends. */
export class RunFolder {
  readonly #runsFolder: string
  readonly #requestId: string
  readonly #token: string

  /** @param runsFolder where it is made */
  constructor(runsFolder: string, requestId: string, token: string) {
    this.#runsFolder = runsFolder
    this.#requestId = requestId
    this.#token = token
  }

  /**
   * Makes it unless it is there.
   * @throws {ClusterError} CW_STEP_FAILED
   */
  async make(): Promise<string> {
    const path = this.#path()
    await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw folderError(error)
    })
    return path
  }

  /** Removes it with all that is in it. Most are empty, and take one call of the system then. */
  async remove(): Promise<void> {
    const path = this.#path()
    try {
      await rmdir(path)
    } catch {
      await rm(path, { recursive: true, force: true })
    }
  }

  #path(): string {
    // Servers of several installations may share a data folder, so the id alone does not tell runs apart.
    return join(this.#runsFolder, `${this.#requestId}-${this.#token.slice(0, 8)}`)
  }
}

function folderError(cause: unknown): ClusterError {
  const systemCode = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
  return new ClusterError(
    'CW_STEP_FAILED',
    `the server could not make a folder for the run: ${messageOf(cause)}`,
    { cause, systemCode, serverFault: true },
  )
}
