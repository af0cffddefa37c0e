import { Batcher } from '../base/batcher.ts'
import type { LogPiece, StepRecord } from '../base/record.ts'
import type { Database } from '../db/database.ts'
import { finish, type Finish } from '../db/finish.ts'
import { appendLog } from '../db/logs.ts'
import { writeSteps } from '../db/steps.ts'
import { isTransient } from '../db/translate-error.ts'

/** How many items one statement writes at the most. */
const largestBatch = 1000

/** Pieces of logs are larger: so many, and so many bytes. */
const mostPieces = 500
const mostLogBytes = 1024 * 1024

/** What all runs of an incarnation write, collected to few statements; each keeps the order of its items. */
export interface RunWriters {
  /** Whether the run was still this incarnation's. */
  readonly finish: (run: Finish) => Promise<boolean>
  readonly writeStep: (record: StepRecord) => Promise<void>
  readonly appendLog: (piece: LogPiece) => Promise<void>
}

export interface RunWritersOptions {
  readonly db: Database
  readonly incarnation: string
  /** Aborted when nothing more may be written. */
  readonly signal: AbortSignal
  /** These runs have finished, and were this incarnation's. */
  readonly onFinished: (runs: readonly Finish[]) => void
}

/** Opens the writers; they write again what a database that is away did not take, until the signal. */
export function openRunWriters(options: RunWritersOptions): RunWriters {
  const { db, incarnation, signal, onFinished } = options
  const plan = { largest: largestBatch, isTransient, signal }
  const finishes = new Batcher<Finish, boolean>({
    ...plan,
    // Each run is finished once, in any order.
    atOnce: 2,
    async write(runs) {
      const ours = new Set(await finish(db, incarnation, runs))
      onFinished(runs.filter(run => ours.has(run.id)))
      return runs.map(run => ours.has(run.id))
    },
  })
  const steps = new Batcher<StepRecord, void>({
    ...plan,
    async write(records) {
      // One statement cannot write one row twice; the later record is the truer one.
      const latest = new Map(records.map(r => [`${r.requestId}/${r.phase}/${r.position}`, r]))
      await writeSteps(db, incarnation, [...latest.values()])
      return []
    },
  })
  const pieces = new Batcher<LogPiece, void>({
    ...plan,
    largest: mostPieces,
    mostTogether: mostLogBytes,
    sizeOf: piece => piece.size,
    // PostgreSQL compresses one while it writes the other down.
    atOnce: 2,
    async write(batch, turn) {
      await appendLog(db, batch, turn)
      return []
    },
  })
  return {
    finish: run => finishes.add(run),
    writeStep: record => steps.add(record),
    appendLog: piece => pieces.add(piece),
  }
}
