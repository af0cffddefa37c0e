import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { StepRecord } from '../../lib/base/record.ts'
import { claim } from '../../lib/db/claim.ts'
import type { Database } from '../../lib/db/database.ts'
import { beginIncarnation } from '../../lib/db/incarnations.ts'
import { registerNode } from '../../lib/db/node-identity.ts'
import { writeSteps } from '../../lib/db/steps.ts'
import { addLane, addRun, describeNode, openRooms, stepRecord } from '../support/rows.ts'

export const done = {
  state: 'succeeded',
  undoOnce: 'finished',
  finishedMs: 2,
  output: '{"at":1}',
} as const
export const undo = { phase: 'undo', state: 'succeeded', finishedMs: 3 } as const

/** A server that runs one request, and what it has recorded of it. */
export async function openRun(
  t: Test,
  { steps = [], onFailure = 0 }: { steps?: Partial<StepRecord>[]; onFailure?: number } = {},
) {
  const rooms = await openRooms(t)
  const lane = await addLane(rooms.db)
  const serve = (node: string): Promise<string> => addServer(rooms.db, node, { [lane]: onFailure })
  const server = await serve('a')
  const run = await addRun(rooms.db, server, lane)
  await record(rooms.db, server, run.id, steps)
  return { ...rooms, lane, server, serve, id: run.id }
}

export async function addServer(
  db: Database,
  node: string,
  onFailureSteps: Record<number, number>,
): Promise<string> {
  await registerNode(db, describeNode(node))
  const session = await db.acquire()
  try {
    return await beginIncarnation(session, db.t, { ...describeNode(node), onFailureSteps })
  } finally {
    session.release()
  }
}

export async function record(
  db: Database,
  server: string,
  id: string,
  steps: readonly Partial<StepRecord>[],
): Promise<void> {
  if (steps.length > 0)
    await writeSteps(
      db,
      server,
      steps.map((step, position) => stepRecord(id, { position, name: `s${position}`, ...step })),
    )
}

export async function claimAll(db: Database, incarnation: string, lane: number) {
  return claim(db, { incarnation, lanes: [lane], limit: 1000, token: randomUUID() })
}
