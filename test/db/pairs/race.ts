import type { Client } from 'pg'
import type pg from 'pg'
import type { Database, Queryable } from '../../../lib/db/database.ts'
import { queryParts, type PartsQuery } from '../../../lib/db/parts-query.ts'
import { typeParsers } from '../../../lib/db/type-parsers.ts'
import { withoutChance, type Act, type Scene } from './scene.ts'

/** What two acts answered, and all rows after them. */
export interface Ending {
  readonly answers: readonly string[]
  readonly rows: readonly string[]
  readonly broken: readonly string[]
}

export interface RaceEnding extends Ending {
  /** Whether the second waited for the first. */
  readonly hasWaited: boolean
  /** How many the first one has. */
  readonly statements: number
}

/** What is tried, and on which sessions. */
export interface Stage<Fixture extends string> {
  readonly scene: Scene<Fixture>
  readonly db: Database
  readonly first: Client
  readonly second: Client
  /** Looks, and lays out. */
  readonly observer: Client
}

/** Does one act after the other, each in a transaction of its own. */
export async function inOrder<Fixture extends string>(
  stage: Stage<Fixture>,
  fixture: Fixture,
  chosen: readonly Act<Fixture>[],
): Promise<Ending> {
  const { db, first, second, observer, scene } = stage
  await scene.layOut(observer, fixture)
  const answers: string[] = []
  for (const [index, act] of chosen.entries())
    answers.push(await answerOf(act, openOn(db, index === 0 ? first : second)))
  return end(stage, answers)
}

/**
 * Does the first act in a transaction that is held after a number of its statements; lets the second one do what it
 * can; and then lets the first one go on.
 * @param heldAfter the number of statements after which the first act is held; `Infinity` for the end, before the commit
 */
export async function race<Fixture extends string>(
  stage: Stage<Fixture>,
  fixture: Fixture,
  {
    acts,
    heldAfter,
    ending,
  }: { acts: [Act<Fixture>, Act<Fixture>]; heldAfter: number; ending: 'commit' | 'rollback' },
): Promise<RaceEnding> {
  const { db, first, second, observer, scene } = stage
  await scene.layOut(observer, fixture)
  const gate = new Gate(heldAfter)
  await first.query('begin')
  const firstDone = answerOf(acts[0], openOn(db, first, gate)).finally(() => gate.reach())
  await gate.reached
  const secondDone = answerOf(acts[1], openOn(db, second))
  const hasWaited = await waits(secondDone, stage)
  gate.open()
  const answer = await firstDone
  const undo = ending === 'rollback' || answer.startsWith('refused')
  // A server whose transaction fails ends the session, and with it the identity lock.
  await first.query(undo ? 'select pg_advisory_unlock_all(); rollback' : 'commit')
  const ended = await end(stage, [answer, await secondDone])
  return { ...ended, hasWaited, statements: gate.passed }
}

async function end<Fixture extends string>(
  { first, second, observer, scene }: Stage<Fixture>,
  answers: string[],
): Promise<Ending> {
  for (const session of [first, second]) await session.query('select pg_advisory_unlock_all()')
  return { answers, rows: await scene.readRows(observer), broken: await scene.findBroken(observer) }
}

async function answerOf(act: Pick<Act<string>, 'run'>, db: Database): Promise<string> {
  try {
    return withoutChance(JSON.stringify(await act.run(db)) ?? 'nothing')
  } catch (error) {
    return `refused: ${errorCodeOf(error)}`
  }
}

/** Whether the act waits for the first session; false when it ends without. */
async function waits(
  done: Promise<unknown>,
  { first, second, observer }: Pick<Stage<never>, 'first' | 'second' | 'observer'>,
): Promise<boolean> {
  let isDone = false
  void done.then(() => (isDone = true))
  for (;;) {
    const { rows } = await observer.query<{ waits: boolean }>(
      'select $1 = any (pg_blocking_pids($2)) as waits',
      [pidOf(first), pidOf(second)],
    )
    if (isDone) return false
    if (rows[0]?.waits) return true
  }
}

function pidOf(client: Client): number {
  return (client as unknown as { processID: number }).processID
}

/** Lets so many statements pass, and the next ones when it is opened. */
class Gate {
  readonly #heldAfter: number
  readonly #reached = Promise.withResolvers<void>()
  readonly #opened = Promise.withResolvers<void>()
  passed = 0

  constructor(heldAfter: number) {
    this.#heldAfter = heldAfter
  }

  get reached(): Promise<void> {
    return this.#reached.promise
  }

  async pass<T>(statement: () => Promise<T>): Promise<T> {
    if (this.passed === this.#heldAfter) {
      this.reach()
      await this.#opened.promise
    }
    this.passed++
    return statement()
  }

  reach(): void {
    this.#reached.resolve()
  }

  open(): void {
    this.#opened.resolve()
  }
}

const transactionControl = /^(begin|commit|rollback)\b/

/**
 * The database functions on one session. With a gate they are part of a transaction that is open already, whatever
 * they themselves begin and end.
 */
function openOn(db: Database, session: Client, gate?: Gate): Database {
  const query = <Row extends pg.QueryResultRow>(
    statement: pg.QueryConfig,
  ): Promise<pg.QueryResult<Row>> => {
    const config = { types: typeParsers, ...statement }
    if (!gate) return session.query<Row>(config)
    if (transactionControl.test(statement.text)) return session.query<Row>('select')
    return gate.pass(() => session.query<Row>(config))
  }
  const sendParts = async (statement: PartsQuery): Promise<void> => {
    const send = () => queryParts(session, statement)
    await (gate ? gate.pass(send) : send())
  }
  const transaction = async <T>(work: (client: Queryable) => Promise<T>): Promise<T> => {
    await query({ text: 'begin' })
    try {
      const result = await work({ query })
      await query({ text: 'commit' })
      return result
    } catch (error) {
      await query({ text: 'rollback' })
      throw error
    }
  }
  return Object.assign(Object.create(db) as Database, { query, queryParts: sendParts, transaction })
}

/** What tells one failure from another: our code, or the SQLSTATE. */
function errorCodeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
