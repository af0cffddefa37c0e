import type { Store } from './artifact/store.ts'
import { DatabaseStore } from './artifact/store/database-store.ts'
import type { Database } from './db/database.ts'
import { openLargeObjects } from './db/large-objects.ts'

export function openArtifactStore(db: Database, _url: string): Store {
  return new DatabaseStore(openLargeObjects(db))
}
