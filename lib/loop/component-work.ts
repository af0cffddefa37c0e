import type { Database } from '../db/database.ts'
import type { Store } from '../artifact/store.ts'
import type { SourceDesk } from './source-desk.ts'

/** What a server needs to check components for versions, and to import these. */
export interface ComponentWork {
  readonly db: Database
  readonly node: string
  readonly store: Store
  readonly sources: SourceDesk
  /** False while this server may begin nothing, because it is suspended. */
  readonly mayBegin: () => boolean
  readonly events: ComponentEvents
  readonly onError: (error: unknown, name: string) => void
}

/** What happens to components here. */
export interface ComponentEvents {
  /** A check has shown versions that nobody knew. */
  versionsFound(about: { component: string; versions: readonly string[] }): void
  checkFailed(about: { component: string; error: unknown }): void
  /** An import has ended, and every server can use the version. */
  versionPublished(about: PublishedVersion): void
  importFailed(about: { component: string; version: string; error: unknown }): void
  /** Somebody has cancelled an import that was under way here. */
  importCancelled(about: { component: string; version: string }): void
  /** A version has lost its files, because it was too old or there were too many. */
  versionExpired(about: { component: string; version: string; bytes: number }): void
}

export interface PublishedVersion {
  component: string
  version: string
  files: number
  bytes: number
  /** The bytes that the store did not have before; null when the answer to the publication was lost. */
  newBytes: number | null
}
