import { checkPath, shown } from './check-path.ts'
import { refuse } from './refuse.ts'

/** Whether a name is that of a file or of a folder, and how it is spelled. */
interface Taken {
  readonly spelling: string
  readonly isFile: boolean
}

/**
 * The names of one version's files. Two that differ only in case or in how a letter is composed are the same file on some
 * servers, so a version may have only one of them. All sources go through here.
 */
export class FileNames {
  readonly #taken = new Map<string, Taken>()

  /** @throws {ClusterError} CW_ARTIFACT_REFUSED for a path that no version may have, or that this one has already */
  admit(path: string): void {
    checkPath(path)
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
      this.#take(path.slice(0, end), false)
    this.#take(path, true)
  }

  #take(spelling: string, isFile: boolean): void {
    const key = fold(spelling)
    const taken = this.#taken.get(key)
    if (!taken) return void this.#taken.set(key, { spelling, isFile })
    if (taken.spelling !== spelling)
      throw refuse(
        `the path ${shown(spelling)}`,
        `on some file systems it is the same as ${shown(taken.spelling)}`,
      )
    if (taken.isFile && isFile) throw refuse(`the path ${shown(spelling)}`, 'it comes twice')
    if (taken.isFile !== isFile)
      throw refuse(`the path ${shown(spelling)}`, 'it is a file and a folder at once')
  }
}

/** Unicode case folding, near enough: the upper case of ß is SS, that of the Kelvin sign is its own lower case. */
function fold(name: string): string {
  return name.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC')
}
