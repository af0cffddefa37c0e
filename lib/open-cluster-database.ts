import type pg from 'pg'
import { Database } from './db/database.ts'
import { readOnlyUrl } from './db/read-only-url.ts'
import { timelineFile } from './identity/timeline-file.ts'
import type { ServerOptions } from './options.ts'

/** The database of a program's cluster; in the role read-only its sessions cannot write. */
export function openClusterDatabase(settings: ServerOptions, pool: pg.Pool | undefined): Database {
  const { connectionString: url, schema, nodeId, role, dataDir } = settings
  return new Database({
    connectionString: role === 'read-only' && url !== undefined ? readOnlyUrl(url) : url,
    pool,
    schema,
    applicationName: `cluster-worker ${nodeId}`,
    maxConnections: 10,
    timelines: timelineFile(dataDir),
  })
}
