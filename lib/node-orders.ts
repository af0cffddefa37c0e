import { setTimeout as delay } from 'node:timers/promises'
import { monotonic } from './base/clock.ts'
import { parseDuration, type Duration } from './base/duration.ts'
import type { Database } from './db/database.ts'
import { declareLost } from './db/incarnations.ts'
import { readProgress, readSuspension, type Progress } from './db/node-control.ts'
import { retireNode } from './db/retire.ts'
import {
  resumeNode,
  suspendNode,
  suspensionKinds,
  type Issued,
  type Suspension,
  type SuspensionKind,
} from './db/suspensions.ts'
import { sqlStateOf } from './db/translate-error.ts'
import { ClusterError } from './errors.ts'
import { thisPerson } from './this-person.ts'

export interface OrderOptions {
  /** Who gives the order, for the record. Defaults to the user and the host of this program. */
  who?: string
  /** How long to wait for the server's answer. Defaults to `30s`. The order stands also when none comes. */
  timeout?: Duration
}

export interface SuspendOptions extends OrderOptions {
  /** Why, for the record. */
  reason?: string
  /** Stop what runs: it fails with `server_stopped`, and its undo and on-failure steps run. Defaults to false. */
  atOnce?: boolean
  /** How long it lasts, by the database's clock. Defaults to: until somebody resumes the node. */
  for?: Duration
}

export interface DrainOptions {
  reason?: string
  who?: string
  /** Whether the server ends when nothing runs on it any more. Defaults to false: it stays, suspended. */
  thenExit?: boolean
  /** How long what runs may go on, by the database's clock; then it is stopped and undone. Defaults to no limit. */
  deadline?: Duration
  /** How long to wait for the end of the drain. Defaults to no limit; for the server's first answer, to `30s`. */
  timeout?: Duration
}

export interface ResumeOptions extends OrderOptions {
  /** Clear the reasons that servers have set themselves, too. They come back where the cause is still there. */
  all?: boolean
}

export interface RetireOptions extends OrderOptions {
  reason?: string
  /** As for `drain`, when it still runs. */
  deadline?: Duration
}

/**
 * - `acknowledged`: the server has done it. A suspended one starts nothing any more
 * - `drained`: nothing runs on it any more
 * - `left`: it has drained and stopped
 * - `gone`: it does not run. What was ordered holds when it starts again
 * - `revoked`: somebody resumed the node meanwhile
 * - `retired`
 */
export type OrderAnswer = 'acknowledged' | 'drained' | 'left' | 'gone' | 'revoked' | 'retired'

export interface ResumeAnswer {
  answer: OrderAnswer
  cleared: Suspension[]
  /** What still suspends the node. */
  remaining: Suspension[]
}

const defaultTimeout = '30s'

/** The pauses between two looks at the answer, in milliseconds. */
const looks = { first: 10, longest: 250 }

/**
 * Suspends a node, running or not, and waits for its answer.
 * @throws {ClusterError} CW_NODE_UNKNOWN, CW_WAIT_TIMEOUT
 */
export async function orderSuspend(
  db: Database,
  node: string,
  options: SuspendOptions,
): Promise<OrderAnswer> {
  const { reason = '', who = thisPerson(), atOnce = false, timeout = defaultTimeout } = options
  const limitMs = parseDuration(timeout, 'timeout')
  const lasts = options.for === undefined ? {} : { forMs: parseDuration(options.for, 'for') }
  const order = { node, kind: 'operator', reason, who, atOnce, ...lasts } as const
  const issued = await issue(node, () => suspendNode(db, order))
  if (issued?.incarnation === undefined) return 'gone'
  const progress = await waitForControl(db, node, issued, limitMs)
  if ((await readSuspension(db, issued.id))?.clearedBy) return 'revoked'
  return isOver(progress) ? 'gone' : 'acknowledged'
}

/**
 * Clears what suspends a node, takes it back when it was retired, and waits until it claims again.
 * @throws {ClusterError} CW_NODE_UNKNOWN, CW_WAIT_TIMEOUT
 */
export async function orderResume(
  db: Database,
  node: string,
  options: ResumeOptions,
): Promise<ResumeAnswer> {
  const { who = thisPerson(), all = false, timeout = defaultTimeout } = options
  const limitMs = parseDuration(timeout, 'timeout')
  const kinds: readonly SuspensionKind[] = all ? suspensionKinds : ['operator', 'drain']
  const order = { node, kinds, by: who, takeBack: true }
  const issued = await issue(node, () => resumeNode(db, order))
  const { cleared, remaining } = issued
  if (issued.incarnation === undefined) return { answer: 'gone', cleared, remaining }
  const progress = await waitForControl(db, node, issued, limitMs)
  return { answer: isOver(progress) ? 'gone' : 'acknowledged', cleared, remaining }
}

/**
 * Suspends a node and waits until nothing runs on it any more; with `thenExit`, until it has left. A node that does not
 * run stays suspended; with `thenExit` nothing changes then.
 * @throws {ClusterError} CW_NODE_UNKNOWN, CW_WAIT_TIMEOUT
 */
export async function orderDrain(
  db: Database,
  node: string,
  options: DrainOptions,
): Promise<OrderAnswer> {
  const { reason = '', who = thisPerson(), thenExit = false, timeout, deadline } = options
  const limitMs = timeout === undefined ? Infinity : parseDuration(timeout, 'timeout')
  const limit =
    deadline === undefined ? {} : { deadlineMs: parseDuration(deadline, 'deadline', { min: 0 }) }
  const startedAt = monotonic()
  const order = { node, kind: 'drain', reason, who, thenExit, ...limit } as const
  const issued = await issue(node, () => suspendNode(db, order))
  if (issued?.incarnation === undefined) return 'gone'
  const answerMs = Math.min(limitMs, parseDuration(defaultTimeout, 'timeout'))
  await waitForControl(db, node, issued, answerMs)
  return waitFor(limitMs - (monotonic() - startedAt), async isLate => {
    const suspension = await readSuspension(db, issued.id)
    const progress = await readProgress(db, issued.incarnation ?? '')
    if (progress?.state === 'left') return 'left'
    if (progress?.state === 'lost') return 'gone'
    if (suspension?.clearedBy) return 'revoked'
    if (suspension?.isDrained && !thenExit) return 'drained'
    if (isLate) throw stillRunning(node, progress, timeout)
    return undefined
  })
}

/**
 * Retires a node: it shall not come back. One that runs is drained and stopped first; one that stays silent for as
 * long as `timeout` is declared lost.
 * @throws {ClusterError} CW_NODE_UNKNOWN, CW_WAIT_TIMEOUT
 */
export async function orderRetire(
  db: Database,
  node: string,
  options: RetireOptions,
): Promise<OrderAnswer> {
  const { reason = '', who = thisPerson(), timeout = defaultTimeout, deadline } = options
  const limitMs = parseDuration(timeout, 'timeout')
  for (;;) {
    const incarnation = await issue(node, () => retireNode(db, { node, who, reason }))
    if (incarnation === undefined) return 'retired'
    if (await isSilentFor(db, incarnation, limitMs))
      await declareLost(db, incarnation, `${who}, who retired it`)
    else {
      const drain = { reason: reason || 'retired', who, thenExit: true }
      const answer = await orderDrain(db, node, {
        ...drain,
        ...(deadline !== undefined && { deadline }),
      })
      if (answer === 'revoked') return answer
    }
  }
}

/** Gives the order, and says in words that it could not be given because the node's rows are locked. */
async function issue<Answer>(node: string, give: () => Promise<Answer>): Promise<Answer> {
  try {
    return await give()
  } catch (error) {
    if (sqlStateOf(error) !== lockNotAvailable) throw error
    throw new ClusterError(
      'CW_WAIT_TIMEOUT',
      `something in the database has locked the rows of the server '${node}' for five seconds: a claim of a server that froze, or somebody's open transaction. Nothing has changed; try again, and look with: cluster-worker doctor`,
      { cause: error },
    )
  }
}

/** A lock was waited for as long as may be. */
const lockNotAvailable = '55P03'

/** Whether the incarnation was silent at every look for so long. It may come back at any moment. */
async function isSilentFor(db: Database, incarnation: string, limitMs: number): Promise<boolean> {
  return waitFor(limitMs, async isLate => {
    const progress = await readProgress(db, incarnation)
    if (progress?.state !== 'silent') return false
    return isLate ? true : undefined
  })
}

/** Waits until the server has carried out the order, or has ended. */
async function waitForControl(
  db: Database,
  node: string,
  { control, incarnation = '' }: Issued,
  limitMs: number,
): Promise<Progress | undefined> {
  return waitFor(limitMs, async isLate => {
    const progress = await readProgress(db, incarnation)
    if (isOver(progress) || BigInt(progress?.seen ?? 0) >= BigInt(control)) return { progress }
    if (isLate) throw noAnswer(node, progress, limitMs)
    return undefined
  }).then(({ progress }) => progress)
}

function isOver(progress: Progress | undefined): boolean {
  return progress === undefined || progress.state === 'left' || progress.state === 'lost'
}

/** Looks again and again until there is an answer. The look that is late must give one, or throw. */
async function waitFor<Answer>(
  limitMs: number,
  look: (isLate: boolean) => Promise<Answer | undefined>,
): Promise<Answer> {
  const startedAt = monotonic()
  for (let pauseMs = looks.first; ; pauseMs = Math.min(pauseMs * 2, looks.longest)) {
    const answer = await look(monotonic() - startedAt >= limitMs)
    if (answer !== undefined) return answer
    await delay(Math.min(pauseMs, Math.max(limitMs - (monotonic() - startedAt), 1)))
  }
}

function noAnswer(node: string, progress: Progress | undefined, limitMs: number): ClusterError {
  const seconds = `${limitMs / 1000} s`
  const message =
    progress?.state === 'silent'
      ? `the server '${node}' is silent and did not answer within ${seconds}; it was cut off or froze, and the others declare it lost soon. The order stands`
      : `the server '${node}' did not answer within ${seconds}. The order stands: the database lets a suspended server claim nothing, but what it had claimed may still start, and what runs may not have been stopped yet`
  return new ClusterError(
    'CW_WAIT_TIMEOUT',
    `${message}; look with: cluster-worker nodes ${node}`,
    {
      field: 'timeout',
    },
  )
}

function stillRunning(
  node: string,
  progress: Progress | undefined,
  timeout: Duration | undefined,
): ClusterError {
  return new ClusterError(
    'CW_WAIT_TIMEOUT',
    `the server '${node}' claims nothing any more, but had not drained within ${timeout}: ${progress?.running ?? 0} requests still run. The order stands; look with: cluster-worker nodes ${node}`,
    { field: 'timeout' },
  )
}
