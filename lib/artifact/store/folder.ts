import { constants } from 'node:fs'
import {
  link,
  mkdir,
  open,
  readdir,
  rename,
  rmdir,
  unlink,
  type FileHandle,
} from 'node:fs/promises'
import { join } from 'node:path'
import { withTimeLimit } from '../../base/time-limit.ts'
import { ClusterError } from '../../errors.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY, O_CREAT, O_EXCL } = constants

/**
 * A folder that is open. What is below is reached through it and not by its path, so that nobody leads us elsewhere by
 * putting a link into the path meanwhile; no name below is followed when it is a link. (Only on Linux; elsewhere a link
 * that comes between two looks is followed.) Every operation has a time limit, because a network share may hang.
 */
export class Folder {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #limitMs: number

  private constructor(handle: FileHandle, path: string, limitMs: number) {
    this.#handle = handle
    this.#path = path
    this.#limitMs = limitMs
  }

  /** Opens a folder by its path, in which the operator may have put links. */
  static async open(path: string, limitMs: number): Promise<Folder> {
    const handle = await limited(open(path, O_RDONLY | O_DIRECTORY), limitMs, path, close)
    return new Folder(handle, path, limitMs)
  }

  /** Opens a folder in this one. */
  async enter(name: string): Promise<Folder> {
    const opening = open(this.#at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    return new Folder(await this.#limited(opening, close), join(this.#path, name), this.#limitMs)
  }

  /** Makes a file that is not there yet, and opens it for writing. */
  create(name: string): Promise<FileHandle> {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
    return this.#limited(open(this.#at(name), flags, 0o644), close)
  }

  /** Opens a file for reading; one that is a pipe makes nobody wait. */
  read(name: string): Promise<FileHandle> {
    return this.#limited(open(this.#at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK), close)
  }

  makeFolder(name: string): Promise<void> {
    return this.#limited(mkdir(this.#at(name), 0o755))
  }

  list(): Promise<string[]> {
    return this.#limited(readdir(this.#at('.')))
  }

  /** Gives a file of this folder a second name, unless the name is taken. */
  link(name: string, second: string): Promise<void> {
    return this.#limited(link(this.#at(name), this.#at(second)))
  }

  rename(name: string, to: Folder, newName: string): Promise<void> {
    return this.#limited(rename(this.#at(name), to.#at(newName)))
  }

  removeFile(name: string): Promise<void> {
    return this.#limited(unlink(this.#at(name)))
  }

  /** Removes a folder that is empty. */
  removeFolder(name: string): Promise<void> {
    return this.#limited(rmdir(this.#at(name)))
  }

  /** Makes its names last through a loss of power. */
  sync(): Promise<void> {
    return this.#limited(this.#handle.sync())
  }

  /** For what is done with a file of this folder, also after the folder was closed. */
  within<Value>(work: Promise<Value>): Promise<Value> {
    return this.#limited(work)
  }

  /** Does not wait: on a share that hangs, closing hangs too. */
  close(): void {
    close(this.#handle)
  }

  #at(name: string): string {
    return process.platform === 'linux'
      ? `/proc/self/fd/${this.#handle.fd}/${name}`
      : join(this.#path, name)
  }

  #limited<Value>(work: Promise<Value>, onLate?: (value: Value) => void): Promise<Value> {
    return limited(work, this.#limitMs, this.#path, onLate)
  }
}

function limited<Value>(
  work: Promise<Value>,
  limitMs: number,
  path: string,
  onLate?: (value: Value) => void,
): Promise<Value> {
  return withTimeLimit(work, limitMs, () => tooSlow(path, limitMs), onLate)
}

function tooSlow(path: string, limitMs: number): ClusterError {
  return new ClusterError(
    'CW_STORE_UNREACHABLE',
    `the store did not answer within ${limitMs} ms at ${path}: a network share that hangs? Until it answers, each attempt keeps one thread of this server; when it does not come back, restart the server`,
    { path, limitMs },
  )
}

function close(handle: FileHandle): void {
  handle.close().catch(() => undefined)
}
