/** How much may be written before it is brought to the disk, in bytes. */
const stretchBytes = 2 ** 25

/**
 * Brings a file to the disk while it is still being written. The system would wait with most of it for the end, where it
 * takes as long again, and longer than an operation of the store may take when the disk is slow and the file large.
 */
export class EarlySync {
  readonly #sync: () => Promise<void>
  #unsynced = 0
  #syncing = Promise.resolve()

  /** @param sync what was written when it is called is on the disk when it resolves */
  constructor(sync: () => Promise<void>) {
    this.#sync = sync
  }

  /** So much more was written. Waits only for what was written a stretch ago. */
  async wrote(bytes: number): Promise<void> {
    this.#unsynced += bytes
    if (this.#unsynced < stretchBytes) return
    // What it throws says that something is not on the disk, and is said once only.
    await this.#syncing
    this.#unsynced = 0
    this.#syncing = this.#sync()
    // It is waited for with the next stretch, or at the end.
    this.#syncing.catch(() => undefined)
  }

  /** Resolves when everything is on the disk. */
  async end(): Promise<void> {
    await this.#syncing
    await this.#sync()
  }
}
