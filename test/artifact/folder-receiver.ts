import { createWriteStream } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { FileNames } from '../../lib/artifact/file-names.ts'
import type { FileEntry, FileReceiver } from '../../lib/artifact/source.ts'
import { ClusterError } from '../../lib/errors.ts'

/** Writes files into a folder, with the rules that hold for every version. */
export class FolderReceiver implements FileReceiver {
  readonly entries: FileEntry[] = []
  readonly #folder: string
  readonly #isWanted: (path: string) => boolean
  readonly #names = new FileNames()

  constructor(folder: string, isWanted: (path: string) => boolean = () => true) {
    this.#folder = folder
    this.#isWanted = isWanted
  }

  get paths(): string[] {
    return this.entries.map(({ path }) => path).toSorted()
  }

  async file(entry: FileEntry, content: Readable | (() => Readable)): Promise<void> {
    this.#names.admit(entry.path)
    if (!this.#isWanted(entry.path)) {
      if (typeof content !== 'function') content.destroy()
      return
    }
    const place = join(this.#folder, entry.path)
    await mkdir(dirname(place), { recursive: true })
    const file = createWriteStream(place, { flags: 'wx' })
    await pipeline(typeof content === 'function' ? content() : content, file)
    if (entry.size !== undefined && file.bytesWritten !== entry.size)
      throw new ClusterError('CW_ARTIFACT_REFUSED', `${entry.path} has another size`)
    if (entry.executable) await chmod(place, 0o755)
    this.entries.push(entry)
  }
}
