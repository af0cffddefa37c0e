import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { shown } from '../check-path.ts'
import type { FileReceiver, SourceContext } from '../source.ts'

/** How every pointer of git LFS begins, and the most bytes that it has. */
const pointerStart = 'version https://git-lfs.github.com/spec/'
const longestPointer = 1024
/** Of `.gitmodules`: more is not looked at. */
const longestModules = 2 ** 16
/** How many paths a warning names. */
const mostNamed = 5

export interface CheckoutWatch extends FileReceiver {
  /** Says in the log what is not there. Called once, after the last file. */
  warn(): void
}

/**
 * Hands the files of a commit on, and notes what stands for something that git did not fetch: pointers of LFS, and
 * submodules. Whoever deploys them would find small texts and empty folders.
 */
export function watchCheckout(receiver: FileReceiver, log: SourceContext['log']): CheckoutWatch {
  const pointers: string[] = []
  const modules: string[] = []
  return {
    async file(entry, content) {
      const { path, size = Infinity } = entry
      const most = path === '.gitmodules' ? longestModules : longestPointer
      if (size > most || typeof content === 'function') return receiver.file(entry, content)
      const bytes = await buffer(content)
      if (path === '.gitmodules') modules.push(...pathsIn(bytes.toString()))
      else if (bytes.subarray(0, pointerStart.length).equals(Buffer.from(pointerStart)))
        pointers.push(path)
      await receiver.file(entry, Readable.from([bytes]))
    },
    warn() {
      if (pointers.length > 0)
        log(
          `warning: ${pointers.length} file(s) are pointers of git LFS and not the contents that they stand for, which are not fetched: ${named(pointers)}. Build an archive with the contents and use another type of source, or leave these files out with 'exclude'`,
        )
      if (modules.length > 0)
        log(
          `warning: the repository has submodules, which are not fetched, so that their folders are missing: ${named(modules)}. Make each a component of its own, or build an archive that has them`,
        )
    },
  }
}

/** Of the submodules in `.gitmodules`. */
function pathsIn(text: string): string[] {
  return Array.from(text.matchAll(/^\s*path\s*=\s*(.+?)\s*$/gm), ([, path = '']) => path)
}

function named(paths: readonly string[]): string {
  const more = paths.length - mostNamed
  const some = paths.slice(0, mostNamed).map(shown).join(', ')
  return more > 0 ? `${some} and ${more} more` : some
}
