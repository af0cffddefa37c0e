import type { Test } from 'tap'
import { Database } from '../../lib/db/database.ts'
import { openLargeObjects } from '../../lib/db/large-objects.ts'
import { openStore } from '../../lib/artifact/store/open-store.ts'
import type { ObjectKey, Store } from '../../lib/artifact/store.ts'

/** One kind of store, with what only that kind can be made to suffer. */
export interface Subject {
  /** An empty store of its own. */
  make(t: Test): Promise<TestStoreSpec>
  /** Changes one byte of an object behind the store's back. */
  flip(spec: TestStoreSpec, key: ObjectKey): Promise<void>
  /** Takes the store away. */
  breakOff(spec: TestStoreSpec): Promise<void>
  /** Whether it can belong to another cluster; 'racy' when two that take it at once may both think that it is theirs. */
  isOwned: boolean | 'racy'
}

/** Names a store, for this process or for another one. */
export interface TestStoreSpec {
  url: string
  databaseUrl: string
  spoolFolder: string
}

/** Opens it as a server does: `close` also closes the database. */
export function openTestStore({ url, databaseUrl, spoolFolder }: TestStoreSpec): Store {
  const db = new Database({
    connectionString: databaseUrl,
    schema: 'cluster_worker',
    applicationName: 'store',
    maxConnections: 8,
    connectionTimeoutMs: 2000,
  })
  const store = openStore(url, { largeObjects: openLargeObjects(db), spoolFolder })
  const close = store.close.bind(store)
  store.close = async () => {
    await close()
    await db.close()
  }
  return store
}

export interface TestStore {
  store: Store
  spec: TestStoreSpec
}

/** Opens a new store for a cluster, until the test ends. */
export async function openNew(t: Test, subject: Subject): Promise<TestStore> {
  const spec = await subject.make(t)
  const store = openHere(t, spec)
  await store.check({ id: 'cluster-a', wasUsed: false }, new AbortController().signal)
  return { store, spec }
}

/** Opens a store as one server more, until the test ends. */
export function openHere(t: Test, spec: TestStoreSpec): Store {
  const store = openTestStore(spec)
  t.teardown(() => store.close())
  return store
}
