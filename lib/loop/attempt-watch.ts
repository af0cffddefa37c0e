import { Loop } from '../base/loop.ts'
import { noteProgress } from '../db/component/imports.ts'
import type { Database } from '../db/database.ts'
import { ClusterError } from '../errors.ts'

/** How often an import tells how far it is, and looks whether it shall go on, in milliseconds. */
const everyMs = 2000

/** Tells how far an attempt to import is, and ends it when somebody else has closed it. */
export class AttemptWatch {
  readonly #closed = new AbortController()
  readonly #loop: Loop
  #files = 0
  #bytes = 0

  constructor(db: Database, token: string) {
    let isFirst = true
    this.#loop = new Loop({
      name: 'import progress',
      pass: async () => {
        if (!isFirst && !(await noteProgress(db, token, this.#files, this.#bytes)))
          this.#closed.abort(
            new ClusterError(
              'CW_CANCELLED',
              'the import was cancelled, its component was removed, or another server has begun it anew',
            ),
          )
        isFirst = false
        return everyMs
      },
      // While the database is away, nobody can close it.
      onError: () => undefined,
    })
    this.#loop.start()
  }

  /** Aborted with a ClusterError CW_CANCELLED when the attempt may publish nothing any more. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** What the attempt has stored so far. */
  note(files: number, bytes: number): void {
    this.#files = files
    this.#bytes = bytes
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }
}
