import { randomUUID } from 'node:crypto'
import { Database } from '../lib/db/database.ts'
import { publishProcesses } from '../lib/db/definitions.ts'
import { beginIncarnation } from '../lib/db/incarnations.ts'
import { registerNode } from '../lib/db/node-identity.ts'

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
  const identity = { node, instance: randomUUID() }
  await registerNode(db, identity)
  const lanes = await publishProcesses(db, node, kinds.map(describeKind))
  const session = await db.acquire()
  try {
    const incarnation = await beginIncarnation(session, db.t, {
      ...identity,
      version: '0',
      host: 'bench',
      pid: process.pid,
      concurrency: 10,
      lostAfterMs: 3_600_000,
      outageGraceMs: 3_600_000,
    })
    return { incarnation, lanes }
  } finally {
    session.release()
  }
}

function describeKind(name: string) {
  return { name, version: '1', description: null, inputSchema: null, steps: [] }
}
