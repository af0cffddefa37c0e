import t from 'tap'
import { createDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import type { TestStoreSpec } from './open-test-store.ts'
import { testStore } from './store-conformance.ts'

const stops = new Map<TestStoreSpec, () => void>()
const flips = new Map<TestStoreSpec, (hash: string) => Promise<unknown>>()

testStore(t, {
  isOwned: false,
  async make(t) {
    const { url, pool } = await createDatabase(t)
    const proxy = await startProxy(t, url)
    const spec = { url: 'postgres:', databaseUrl: proxy.url, spoolFolder: '/nowhere' }
    stops.set(spec, () => proxy.stop())
    flips.set(spec, hash =>
      pool.query(
        `select lo_put(lo, 1000, 'y') from cluster_worker.stored_object where hash = decode($1, 'hex')`,
        [hash],
      ),
    )
    return spec
  },
  async flip(spec, { hash }) {
    await flips.get(spec)?.(hash)
  },
  async breakOff(spec) {
    stops.get(spec)?.()
  },
})
