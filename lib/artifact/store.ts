import type { Readable } from 'node:stream'

/**
 * Where the files of all versions are kept. An object is never changed, and its key never used again: it names the
 * attempt that wrote it, so that whatever a server does that has lost its lock can never touch what another published.
 *
 * Each method throws a ClusterError CW_STORE_UNREACHABLE when the store cannot be asked, CW_STORE_FULL when it has no
 * room, and CW_STORE_UNKNOWN when it is not the store of this cluster (a folder that is not mounted, another bucket).
 */
export interface Store {
  /** For people: `folder /srv/artifacts`. */
  readonly description: string
  /**
   * Looks whether the store is there, is this cluster's and can be written to.
   * @param id the cluster's id. A store that is empty takes it; another one's is refused
   */
  check(id: string, signal: AbortSignal): Promise<void>
  /** Opens a place for what an attempt writes; nothing of it is an object until it is sealed. */
  stage(token: string): Promise<Staging>
  /**
   * The content of an object, as the store has it now: whoever reads it verifies size and hash.
   * @throws {ClusterError} CW_OBJECT_MISSING
   */
  read(key: ObjectKey, signal: AbortSignal): Promise<Readable>
  /** Removes objects; those that are gone already are no error. */
  remove(keys: readonly ObjectKey[]): Promise<void>
  /** The tokens of all attempts of which there is anything, sealed or not. */
  tokens(signal: AbortSignal): AsyncIterable<string>
  /** The hashes of the objects of a sealed attempt. */
  objectsOf(token: string): Promise<string[]>
  /** Removes everything of an attempt. */
  removeAttempt(token: string): Promise<void>
  close(): Promise<void>
}

/** Which object: who wrote it, and the SHA-256 of its content in hexadecimal. */
export interface ObjectKey {
  readonly token: string
  readonly hash: string
}

/** What one attempt writes. */
export interface Staging {
  /**
   * Writes content, hashed while it streams; the same content twice is kept once. Calls may overlap.
   * @param limit the most bytes that are accepted; more is CW_ARTIFACT_REFUSED
   */
  write(content: Readable, limit: number, signal: AbortSignal): Promise<Stored>
  /**
   * Makes objects of the contents that `hashes` names, durably, and drops the others.
   * A reader on any server can have them from then on, except where the store shows new files with a delay.
   */
  seal(hashes: ReadonlySet<string>): Promise<void>
  /** Removes everything, whatever state it is in. */
  discard(): Promise<void>
}

export interface Stored {
  /** SHA-256 in hexadecimal. */
  readonly hash: string
  /** In bytes. */
  readonly size: number
}
