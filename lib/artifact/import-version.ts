import type { Component } from './component.ts'
import { ReceivedFiles, type ReceivedFile } from './received-files.ts'
import type { FoundVersion, Source, SourceContext } from './source.ts'
import type { Staging, Store } from './store.ts'
import { ClusterError } from '../errors.ts'

export interface VersionImport {
  readonly component: Component
  readonly version: FoundVersion
  readonly source: Source
  readonly context: SourceContext
  readonly store: Store
  /** Names this attempt, and everything that it writes. */
  readonly token: string
  /** Which of these contents published versions have already. */
  readonly findKnown: (hashes: readonly string[]) => Promise<ReadonlySet<string>>
  /** Makes the version visible, all of it or nothing. @returns contents of which the store had no need after all */
  readonly publish: (
    files: readonly ReceivedFile[],
    sealed: ReadonlySet<string>,
  ) => Promise<readonly string[]>
  readonly onProgress: (files: number, bytes: number) => void
}

/** What was imported. */
export interface ImportedVersion {
  readonly files: number
  readonly bytes: number
  /** The bytes that the store did not have before. */
  readonly newBytes: number
}

/**
 * Imports one version: fetch into a place of this attempt's own, seal what the store does not have yet, publish. Until the
 * publication nobody can see anything of it; when something fails before, nothing is left of it.
 */
export async function importVersion(parts: VersionImport): Promise<ImportedVersion> {
  const { component, version, source, context, store, token, publish } = parts
  const staging = await store.stage(token)
  const received = new ReceivedFiles(staging, component, context.signal, parts.onProgress)
  const sealed = await discardOnFailure(staging, async () => {
    await source.fetchVersion(version, received, context)
    context.signal.throwIfAborted()
    return sealNew(parts, staging, received.files)
  })
  const { files } = received
  // From here on it may be published although we hear of a failure: then the sweep decides what is left over.
  const doubled = new Set(await publish(files, sealed))
  if (sealed.size === 0) await staging.discard()
  if (doubled.size > 0) await store.remove([...doubled].map(hash => ({ token, hash })))
  return { files: files.length, bytes: sum(files), newBytes: sum(newOf(files, sealed, doubled)) }
}

async function sealNew(
  { findKnown, version }: VersionImport,
  staging: Staging,
  files: readonly ReceivedFile[],
): Promise<ReadonlySet<string>> {
  if (files.length === 0)
    throw new ClusterError(
      'CW_ARTIFACT_REFUSED',
      `the version ${version.name} is refused: it has no files, or 'include' and 'exclude' leave none`,
    )
  const hashes = [...new Set(files.map(({ hash }) => hash))]
  const known = await findKnown(hashes)
  const missing = new Set(hashes.filter(hash => !known.has(hash)))
  if (missing.size > 0) await staging.seal(missing)
  return missing
}

/** What cannot be discarded now, because the store is away, the sweep removes later. */
async function discardOnFailure<T>(staging: Staging, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await staging.discard().catch(() => undefined)
    throw error
  }
}

/** Each new content once, however many files have it. */
function newOf(
  files: readonly ReceivedFile[],
  sealed: ReadonlySet<string>,
  doubled: ReadonlySet<string>,
): ReceivedFile[] {
  const byHash = new Map(files.map(file => [file.hash, file]))
  return [...byHash.values()].filter(({ hash }) => sealed.has(hash) && !doubled.has(hash))
}

function sum(files: readonly { size: number }[]): number {
  return files.reduce((bytes, { size }) => bytes + size, 0)
}
