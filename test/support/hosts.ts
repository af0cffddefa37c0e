import type { Test } from 'tap'
import { Database } from '../../lib/db/database.ts'
import type { TimelineMemory } from '../../lib/base/timeline-memory.ts'

/** A database whose URL may name several hosts; closed when the test ends. */
export function openHosts(t: Test, url: string, timelines?: TimelineMemory): Database {
  const db = new Database({
    connectionString: url,
    schema: 'cluster_worker',
    applicationName: 'test',
    maxConnections: 3,
    timelines,
  })
  t.teardown(() => db.close())
  return db
}

/** The folder of the server that answers. */
export async function placeOf(db: Database): Promise<string> {
  const { rows } = await db.query<{ place: string }>({
    text: `select current_setting('unix_socket_directories') as place`,
  })
  return rows[0]?.place ?? ''
}

/** A URL that names the hosts by its parameter `host`. */
export function withHosts(...hosts: string[]): string {
  return `postgresql://cluster@/postgres?host=${encodeURIComponent(hosts.join(','))}`
}
