import type { Readable } from 'node:stream'

/** Where the versions of a component come from. Objects of this shape are made by the source types in `source/`. */
export interface Source {
  /**
   * Lists the versions that exist now, the oldest first as far as the source knows an order.
   * @throws {ClusterError} CW_SOURCE when it cannot be asked; CW_SOURCE_OPTION when an option is wrong
   */
  listVersions(context: SourceContext): Promise<FoundVersion[]>
  /**
   * Hands every file of a version to `receiver`; nothing else is kept of what it does.
   * @throws {ClusterError} CW_SOURCE when the version cannot be had, CW_ARTIFACT_REFUSED for content that is not accepted
   */
  fetchVersion(version: FoundVersion, receiver: FileReceiver, context: SourceContext): Promise<void>
}

/** A kind of source, by the name that components give as `source.type`. */
export interface SourceType {
  readonly type: string
  /** Makes a source from a component's options. @throws {ClusterError} CW_SOURCE_OPTION naming the option that is wrong */
  readonly open: (options: Readonly<Record<string, unknown>>) => Source
}

/** A version as its source shows it. */
export interface FoundVersion {
  readonly name: string
  /** What the source needs to find the very same content again: a commit, a URL, a checksum. Kept with the version. */
  readonly ref?: Readonly<Record<string, unknown>>
}

/** What a source may use while it works. */
export interface SourceContext {
  /** Aborted when the time is up, the lock is lost or the server stops. */
  readonly signal: AbortSignal
  /** An empty folder of this attempt alone, on the server's own disk; removed afterwards. */
  readonly workFolder: string
  /** The most files and bytes that the component accepts: no source need load more. */
  readonly limits: { readonly files: number; readonly bytes: number }
  /** What programs that a source starts get of the server's environment: `PATH` and the like, never a secret. */
  readonly environment: Readonly<Record<string, string>>
  /** Adds a line to the component's import log; secrets are masked in it. */
  readonly log: (line: string) => void
  /**
   * The value of a secret, which exists on the servers only.
   * @throws {ClusterError} CW_SECRET_UNKNOWN saying where it would have been looked for
   */
  readonly secret: (name: string) => Promise<string>
}

/** Takes the files of one version. */
export interface FileReceiver {
  /**
   * Stores one file, hashed while it streams. Calls may overlap; each resolves when its content is stored. A file that
   * the component excludes is not read, and its stream is destroyed.
   * @throws {ClusterError} CW_ARTIFACT_REFUSED for a path or a size that is not accepted; the attempt is over then
   */
  file(entry: FileEntry, content: Readable | (() => Readable)): Promise<void>
}

/** One file of a version. */
export interface FileEntry {
  /** Relative to the version, with `/` between the names. */
  readonly path: string
  /** Defaults to false. */
  readonly executable?: boolean
  readonly modifiedAt?: Date
  /** In bytes, when the source knows it beforehand; content of another size is refused. */
  readonly size?: number
}

/** What a component says of its source beside the type. */
export function optionsOf(source: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(source).filter(([option]) => option !== 'type'))
}
