/** The files that a database keeps: what a store does with them, and what the statements give. */
export interface LargeObjects {
  /** Makes an empty one for an attempt. @returns its number */
  create(token: string): Promise<number>
  /** Writes the next bytes. @returns false when it was removed meanwhile */
  append(lo: number, offset: number, bytes: Uint8Array): Promise<boolean>
  /** Gives it its hash; a second one with this hash is removed. @returns false when it was removed meanwhile */
  finish(lo: number, hash: Uint8Array, size: number): Promise<boolean>
  /** Removes one that has no hash yet. */
  dropUnfinished(lo: number): Promise<void>
  /** The hashes of an attempt, in hexadecimal, whose contents are written, or sealed as well. */
  hashesOf(token: string, which: 'sealed' | 'written'): Promise<string[]>
  /** Removes all of an attempt that is not sealed but those with these hashes. */
  keepOnly(token: string, hashes: readonly Uint8Array[]): Promise<void>
  /** Lets these be read, all or none. @returns false when one is not there */
  seal(token: string, hashes: readonly Uint8Array[]): Promise<boolean>
  /** Some bytes of a sealed one, none behind its end. @returns undefined when it is not there */
  read(token: string, hash: Uint8Array, offset: number, length: number): Promise<Buffer | undefined>
  /** Removes objects: the first token's first hash, and so on. */
  remove(tokens: readonly string[], hashes: readonly Uint8Array[]): Promise<void>
  removeAttempt(token: string): Promise<void>
  /** The tokens of all attempts of which there is anything. */
  tokens(): Promise<string[]>
}
