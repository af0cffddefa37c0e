import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A mistake that another system of this kind has made, as one change of our code, and the test that must see it. */
export interface Mutant {
  readonly name: string
  /** What went wrong, and what it looks like here. */
  readonly story: string
  /** Where it went wrong: the project and the number of its report. */
  readonly seen: readonly string[]
  /** The file that is changed. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly find: string
  readonly replace: string
  /** The test file, and the test in it, that must fail. */
  readonly test: string
  readonly subtest: string
}

/** A file before and after the change. */
export interface Change {
  readonly before: string
  readonly after: string
}

/**
 * Reads the mutant's file and makes the change, but writes nothing.
 * @throws when the text to find is not there exactly once: the code has changed, and the mutant must follow
 */
export async function planChange(folder: string, mutant: Mutant): Promise<Change> {
  const { name, file, find, replace } = mutant
  const before = await readFile(join(folder, file), 'utf8')
  const [head = '', ...tails] = before.split(find)
  if (tails.length !== 1)
    throw new Error(
      `${name}: expected ${file} to have the text to find once, found it ${tails.length} times: ${find}`,
    )
  return { before, after: head + replace + tails.join(find) }
}
