import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { applyComponent } from '../../lib/db/component/components.ts'
import { readComponent } from '../../lib/artifact/component.ts'
import { Database } from '../../lib/db/database.ts'
import { LockSession } from '../../lib/db/lock-session.ts'
import { createDatabase } from '../support/database.ts'
import { addLane, addRun, addServer } from '../support/rows.ts'

/** A database with one component, for tests of single statements. */
export async function openComponents(t: Test, definition: object = {}) {
  const { url } = await createDatabase(t)
  const db = new Database({
    connectionString: url,
    schema: 'cluster_worker',
    applicationName: 'test',
    maxConnections: 5,
  })
  t.teardown(() => db.close())
  const query = async (text: string, values: unknown[] = []): Promise<any[]> =>
    (await db.query({ text: text.replaceAll(/\$s\./g, 'cluster_worker.'), values })).rows
  const component = readComponent({ name: 'app', source: { type: 'memory' }, ...definition })
  await applyComponent(db, { name: 'app', sourceType: 'memory', definition: component })
  const [{ id: componentId }] = (await query('select id from $s.component')) as [{ id: number }]
  const session = async (): Promise<LockSession> => {
    const opened = await LockSession.open(db, 'test')
    t.teardown(() => opened.close())
    return opened
  }
  /** A version that is wanted. */
  const addVersion = async (name: string): Promise<string> => {
    const [row] = await query(
      `with v as (insert into $s.version (component_id, name, ref) values ($1, $2, '{}') returning id)
       insert into $s.wanted_import (version_id) select id from v returning version_id as id`,
      [componentId, name],
    )
    return row.id
  }
  /** A step of a request that runs. */
  const addStep = async () => {
    const incarnation = await addServer(db)
    const { id: requestId } = await addRun(db, incarnation, await addLane(db, randomUUID()))
    return { requestId, step: 'there', incarnation }
  }
  return { db, query, session, addVersion, addStep, componentId }
}
