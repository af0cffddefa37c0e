import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openRooms } from '../support/rows.ts'
import { until } from '../support/until.ts'
import { FaultProxy, type Fault } from './fault-proxy.ts'

/** A database, a network with these faults before it, and how clusters are opened behind that. */
export async function openBehindFaults(test: Test, faults: readonly Fault[]) {
  const { db: direct, url } = await openRooms(test, { connections: 2 })
  const folder = await mkdtemp(join(tmpdir(), 'cw-acks-'))
  test.teardown(() => rm(folder, { recursive: true, force: true }))
  const proxy = await FaultProxy.start(url, faults, pid =>
    direct.query({ text: 'select pg_terminate_backend($1)', values: [pid] }),
  )
  test.teardown(() => proxy.close())
  const options = {
    connectionString: proxy.url,
    dataDir: folder,
    retention: 'forever',
    guardian: false,
    // Many runs at the same time make each other slow.
    lostAfter: '20s',
    pollInterval: '100ms',
  } as const
  /** Resolves when PostgreSQL has rolled back what the faults have interrupted. */
  const settled = (): Promise<void> =>
    until(async () => {
      const { rowCount } = await direct.query({
        text: 'select from pg_stat_activity where pid = any ($1)',
        values: [[...proxy.orphans]],
      })
      return rowCount === 0
    })
  return { direct, proxy, options, settled }
}
