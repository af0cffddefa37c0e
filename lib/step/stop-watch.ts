import { performance } from 'node:perf_hooks'
import { ClusterError } from '../errors.ts'
import type { StepRun } from './step.ts'

/** The timeout of a step, and the signal that it needs then. */
interface Limit {
  readonly timeoutMs: number
  readonly controller: AbortController
  readonly stopForRun: () => void
  readonly startedAt: number
  readonly timer: NodeJS.Timeout
  clockRuns: boolean
  isOver: boolean
}

/**
 * Watches for the two reasons to stop a step before it ends: the run's signal and the step's timeout. Without a timeout
 * the run's own signal says it all, and nothing is made until somebody waits.
 */
export class StopWatch {
  readonly #run: Pick<StepRun, 'signal' | 'isStopped'>
  readonly #title: string
  readonly #limit: Limit | undefined
  #whenAborted: (() => void) | undefined

  /**
   * Starts to watch.
   * @param timeoutMs none when the step may run for ever
   * @param title what ran, for the error: `command 'sleep'`
   */
  constructor(
    run: Pick<StepRun, 'signal' | 'isStopped'>,
    timeoutMs: number | undefined,
    title: string,
  ) {
    this.#run = run
    this.#title = title
    this.#limit = timeoutMs === undefined ? undefined : this.#startClock(timeoutMs)
    if (run.isStopped) this.#limit?.stopForRun()
  }

  /** Aborted for either reason. */
  get signal(): AbortSignal {
    return this.#limit?.controller.signal ?? this.#run.signal
  }

  /** Whether it is aborted. */
  get isAsked(): boolean {
    return this.#limit?.controller.signal.aborted ?? this.#run.isStopped
  }

  /** Why it is aborted: the ClusterError that the step rejects with. */
  get reason(): ClusterError {
    return toClusterError(this.signal.reason, this.#title)
  }

  /** @throws the reason when it is aborted */
  throwIfAsked(): void {
    if (this.isAsked) throw this.reason
  }

  /** Whether the timeout was the reason. */
  get timedOut(): boolean {
    return this.#limit?.isOver ?? false
  }

  /** Resolves when the signal is aborted. */
  asked(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.isAsked) resolve()
    this.#whenAborted = () => resolve()
    this.signal.addEventListener('abort', this.#whenAborted, { once: true })
    return promise
  }

  /**
   * The work is over: the timeout no longer counts. When a blocked event loop kept the timer from
   * firing, the timeout is noticed here.
   */
  stopClock(): void {
    const limit = this.#limit
    if (!limit?.clockRuns) return
    clearTimeout(limit.timer)
    if (performance.now() - limit.startedAt >= limit.timeoutMs) this.#stopForTimeout(limit)
    limit.clockRuns = false
  }

  /** Lets go of the run's signal. */
  close(): void {
    if (this.#limit) {
      clearTimeout(this.#limit.timer)
      this.#run.signal.removeEventListener('abort', this.#limit.stopForRun)
    }
    if (this.#whenAborted) this.signal.removeEventListener('abort', this.#whenAborted)
  }

  #startClock(timeoutMs: number): Limit {
    const controller = new AbortController()
    const stopForRun = (): void =>
      controller.abort(toClusterError(this.#run.signal.reason, this.#title))
    const limit: Limit = {
      timeoutMs,
      controller,
      stopForRun,
      startedAt: performance.now(),
      timer: setTimeout(() => this.#stopForTimeout(limit), timeoutMs),
      clockRuns: true,
      isOver: false,
    }
    this.#run.signal.addEventListener('abort', stopForRun, { once: true })
    return limit
  }

  #stopForTimeout(limit: Limit): void {
    if (this.isAsked) return
    limit.isOver = true
    limit.controller.abort(timeoutError(this.#title, limit.timeoutMs))
  }
}

function toClusterError(reason: unknown, title: string): ClusterError {
  if (reason instanceof ClusterError) return reason
  return new ClusterError('CW_CANCELLED', `${title} was cancelled`, { cause: reason })
}

/** The error of a timeout; `details` may add what the step had printed. */
export function timeoutError(
  title: string,
  timeoutMs: number | undefined,
  details: Record<string, unknown> = {},
): ClusterError {
  return new ClusterError(
    'CW_STEP_TIMEOUT',
    `${title} ran longer than its timeout of ${showDuration(timeoutMs ?? 0)} and was stopped`,
    details,
  )
}

function showDuration(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const
  const [unit, size] = units.find(([, size]) => ms >= size && ms % size === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}
