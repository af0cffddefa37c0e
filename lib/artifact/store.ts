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
  /** Looks whether the store is there, is this cluster's and can be written to. */
  check(claim: StoreClaim, signal: AbortSignal): Promise<void>
  /** Looks whether the store is there and is this cluster's, and changes nothing: for who only reads, or may do no more. */
  recognise(claim: StoreClaim, signal: AbortSignal): Promise<void>
  /**
   * Opens a place for what an attempt writes; nothing of it is an object until it is sealed.
   * @param token a UUID that no other attempt has, nor had
   */
  stage(token: string): Promise<Staging>
  /**
   * The content of an object, as the store has it now: whoever reads it verifies size and hash.
   * @throws {ClusterError} CW_OBJECT_MISSING
   */
  read(key: ObjectKey, signal: AbortSignal): Promise<Readable>
  /** Removes objects; those that are gone already are no error. Any number of servers may remove the same at once. */
  remove(keys: readonly ObjectKey[]): Promise<void>
  /**
   * The tokens of all attempts of which there is anything, sealed or not. A server that was declared lost may still
   * write after its attempt was removed, so a sweep compares all tokens, and not only those that are new to it.
   */
  tokens(signal: AbortSignal): AsyncIterable<string>
  /** The hashes of the objects of a sealed attempt; none of one that is not sealed or not there. */
  objectsOf(token: string): Promise<string[]>
  /** Removes everything of an attempt, also while another server writes it: that one fails with CW_STAGING_GONE. */
  removeAttempt(token: string): Promise<void>
  close(): Promise<void>
}

/** What a cluster knows of its store. */
export interface StoreClaim {
  /** The cluster's id. Another cluster's store is refused. */
  readonly id: string
  /**
   * Whether the cluster has used a store before. If not, it takes one that is empty. If so, an empty one is refused: it
   * is what is seen below a share that is not mounted.
   */
  readonly wasUsed: boolean
}

/** Which object: who wrote it, and the SHA-256 of its content in hexadecimal. */
export interface ObjectKey {
  readonly token: string
  readonly hash: string
}

/** What one attempt writes. */
export interface Staging {
  /**
   * Writes content, hashed while it streams; the same content twice is kept once. Calls may overlap. The content is
   * destroyed when it settles.
   * @param limit the most bytes that are accepted; more is CW_ARTIFACT_REFUSED
   * @throws {ClusterError} CW_STAGING_GONE when somebody has removed the attempt
   */
  write(content: Readable, limit: number, signal: AbortSignal): Promise<Stored>
  /**
   * Makes objects of the contents that `hashes` names, durably, and drops the others.
   * A reader on any server can have them from then on, except where the store shows new files with a delay.
   * It waits for the writes that are under way, and may be called again when it failed.
   * @throws {ClusterError} CW_STAGING_GONE when one of the contents is not there
   */
  seal(hashes: ReadonlySet<string>): Promise<void>
  /** Stops the writes that are under way and removes everything, whatever state it is in, objects too. */
  discard(): Promise<void>
}

export interface Stored {
  /** SHA-256 in hexadecimal. */
  readonly hash: string
  /** In bytes. */
  readonly size: number
}
