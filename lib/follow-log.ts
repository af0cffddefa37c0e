import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from './db/database.ts'
import { readLog, type StoredLogPiece } from './db/logs.ts'
import { findFinished } from './db/status.ts'

/** A piece of a request's log: any number of lines of one stream of one step, or part of one. */
export type LogEntry = StoredLogPiece

/** How many pieces one read gives, and how long to wait when there were none, in milliseconds. */
const pageSize = 32
const pauseMs = 200

/** Reads a log from its start to its end; with `follow`, until the request has finished. */
export async function* followLog(
  db: Database,
  requestId: string,
  options: { follow?: boolean; signal?: AbortSignal },
): AsyncGenerator<LogEntry> {
  const { follow = false, signal } = options
  let last = 0
  for (;;) {
    signal?.throwIfAborted()
    // Asked before the log is read: a finished request's log is complete.
    const isOver = !follow || (await findFinished(db, [requestId])).length > 0
    const pieces = await readLog(db, requestId, last, pageSize)
    yield* pieces
    last = pieces.at(-1)?.seq ?? last
    if (pieces.length === pageSize) continue
    if (isOver) return
    await delay(pauseMs, undefined, signal && { signal })
  }
}
