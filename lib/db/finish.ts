import { toMicroseconds } from '../base/clock.ts'
import type { Ending, StepRecord } from '../base/record.ts'
import { arrayLiteral } from './array-literal.ts'
import type { Database } from './database.ts'
import { groupAlike } from './group-alike.ts'
import { confirmation } from './replication-warning.ts'

/** A run that has ended, with the token that proves whose it is. */
export interface Finish extends Ending {
  readonly id: string
  readonly token: string
  /** The record of its last step, of which nothing has been written yet; it becomes durable with the ending, in its row. */
  readonly lastStep?: StepRecord | undefined
}

/**
 * Moves runs from `running` to `finished`, any number in one statement: the function `finish` of the schema
 * (`migrations/016_functions_of_servers.sql`). The records of their last steps are in the same rows. Only rows that still
 * belong to this incarnation and carry the run's token are moved, and only while the incarnation is alive; what is not
 * moved here leaves no step either. Nothing else has written such a step, so that the view `step` shows it once.
 *
 * Who else may touch these rows at the same time:
 * - declareLost of this incarnation: both lock the incarnation's row first, so one of them comes first; if
 *   that is the declaration, nothing is moved here
 * - cancel: updates the running row; this statement waits for it and then moves the row all the same
 *
 * @returns the ids of the runs that this incarnation has finished, now or before; for one that is missing the
 *   incarnation was declared lost
 */
export async function finish(
  db: Database,
  incarnation: string,
  runs: readonly Finish[],
): Promise<string[]> {
  const ids = runs.map(run => run.id)
  const moved = await moveToFinished(db, incarnation, runs)
  return moved === runs.length ? ids : findFinishedByUs(db, incarnation, ids)
}

/**
 * A finish is repeated when its answer was lost; what the first one moved is found here beside what the last one did, and
 * counts when the synchronous standby has it too.
 */
async function findFinishedByUs(
  db: Database,
  incarnation: string,
  ids: string[],
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    text: `
      with ${confirmation}
      select id from ${db.t.finished}, confirmed
      where id = any ($2::bigint[]) and incarnation = $1 and reason is distinct from 'server_lost'`,
    values: [incarnation, ids],
  })
  return rows.map(row => row.id)
}

/**
 * How many it moved: as long as that is all of them, their ids need not be read. What many runs have in common is sent
 * once. A row that was deleted and found no partner, because two runs have each other's tokens, would have no outcome:
 * `finished` refuses that, and everything is as before.
 */
async function moveToFinished(
  db: Database,
  incarnation: string,
  runs: readonly Finish[],
): Promise<number> {
  const { groups, groupOf } = groupAlike(runs, commonOf)
  const { rows } = await db.query<{ moved: number }>({
    name: `${db.schema}.finish`,
    text: `select ${db.t.finish}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) as moved`,
    values: [
      incarnation,
      arrayLiteral(runs, run => run.id),
      arrayLiteral(groupOf, number => number),
      arrayLiteral(runs, run => run.error),
      arrayLiteral(runs, run => run.result),
      arrayLiteral(runs, ({ lastStep }) => lastStep?.startedMs),
      arrayLiteral(
        runs,
        ({ lastStep }) =>
          lastStep && toMicroseconds((lastStep.finishedMs ?? 0) - (lastStep.startedMs ?? 0)),
      ),
      arrayLiteral(runs, ({ lastStep }) => lastStep?.error),
      // Most often the step's output is the result: then it need not be sent twice.
      arrayLiteral(runs, ({ lastStep, result }) => unless(result, lastStep?.output)),
      ...Array.from({ length: commonColumns }, (_, column) =>
        arrayLiteral(groups, group => group[column]),
      ),
    ],
  })
  return rows[0]?.moved ?? 0
}

/** How many columns `commonOf` gives. */
const commonColumns = 8

/** What is the same for most runs of one process that one claim took: from the token on, as the statement has it. */
function commonOf({ token, outcome, reason, lastStep: step }: Finish) {
  // Most often the step ended as the run did.
  const state = unless(outcome, step?.state)
  return [token, outcome, reason, step?.position, step?.name, step?.kind, state, step?.exitCode]
}

/** The value, if it is another one. */
function unless<Value>(usual: Value, value: Value | undefined): Value | undefined {
  return value === usual ? undefined : value
}
