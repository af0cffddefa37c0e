import picomatch from 'picomatch'
import type { Component } from './component.ts'
import { FileNames } from './file-names.ts'

/** Which files of a version are taken, and whether their names can be. */
export class FileRules {
  readonly #names = new FileNames()
  readonly #isIncluded: (path: string) => boolean
  readonly #isExcluded: (path: string) => boolean

  constructor({ include, exclude }: Pick<Component, 'include' | 'exclude'>) {
    this.#isIncluded = include.length === 0 ? () => true : matcher(include)
    this.#isExcluded = exclude.length === 0 ? () => false : matcher(exclude)
  }

  /**
   * False for a file that is left out. Its name is checked all the same: a source that offers such a name is not to be
   * trusted.
   * @throws {ClusterError} CW_ARTIFACT_REFUSED for a name that no version may have
   */
  admit(path: string): boolean {
    this.#names.admit(path)
    return this.#isIncluded(path) && !this.#isExcluded(path)
  }
}

function matcher(patterns: readonly string[]): (path: string) => boolean {
  return picomatch([...patterns], { dot: true })
}
