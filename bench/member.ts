import { Database } from '../lib/db/database.ts'
import { publishProcesses } from '../lib/db/definitions.ts'
import { beginIncarnation, registerNode } from '../lib/db/incarnations.ts'

/** In whose name the bare statements are run: as a server's, but without the server. */
export interface Member {
  readonly incarnation: string
  readonly lanes: readonly number[]
}

/** A pool of our own kind, for the statements of lib/db. */
export function openBareDatabase(url: string, maxConnections: number): Database {
  return new Database({
    connectionString: url,
    schema: 'cluster_worker',
    applicationName: 'bench',
    maxConnections,
  })
}

/** Registers a node that runs processes of these names, and begins an incarnation that nobody declares lost. */
export async function joinAs(
  db: Database,
  node: string,
  kinds: readonly string[],
): Promise<Member> {
  await registerNode(db, node)
  const lanes = await publishProcesses(db, node, kinds.map(describeKind))
  const incarnation = await beginIncarnation(db, db.t, {
    node,
    version: '0',
    host: 'bench',
    pid: process.pid,
    concurrency: 10,
    lostAfterMs: 3_600_000,
    outageGraceMs: 3_600_000,
  })
  return { incarnation, lanes }
}

function describeKind(name: string) {
  return { name, version: '1', description: null, inputSchema: null, steps: [] }
}
