import { performance } from 'node:perf_hooks'
import { ClusterError } from '../errors.ts'
import type { StepRun } from './step.ts'

/**
 * Watches for the two reasons to stop a step before it ends: the run's signal and the step's timeout. Without a timeout
 * the run's own signal says it all, and nothing is made until somebody waits.
 */
export class StopWatch {
  readonly #run: Pick<StepRun, 'signal' | 'isStopped'>
  readonly #timeoutMs: number | undefined
  readonly #title: string
  readonly #controller: AbortController | undefined
  readonly #startedAt: number = 0
  readonly #timer: NodeJS.Timeout | undefined
  #clockRuns: boolean
  #timedOut = false
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
    this.#timeoutMs = timeoutMs
    this.#title = title
    this.#clockRuns = timeoutMs !== undefined
    if (timeoutMs === undefined) return
    this.#controller = new AbortController()
    this.#startedAt = performance.now()
    this.#timer = setTimeout(() => this.#stopForTimeout(), timeoutMs)
    run.signal.addEventListener('abort', this.#stopForRun, { once: true })
    if (run.isStopped) this.#stopForRun()
  }

  /** Aborted for either reason. */
  get signal(): AbortSignal {
    return this.#controller?.signal ?? this.#run.signal
  }

  /** Whether it is aborted. */
  get isAsked(): boolean {
    return this.#controller?.signal.aborted ?? this.#run.isStopped
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
    return this.#timedOut
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
    clearTimeout(this.#timer)
    if (this.#clockRuns && performance.now() - this.#startedAt >= (this.#timeoutMs ?? Infinity))
      this.#stopForTimeout()
    this.#clockRuns = false
  }

  /** Lets go of the run's signal. */
  close(): void {
    clearTimeout(this.#timer)
    if (this.#controller) this.#run.signal.removeEventListener('abort', this.#stopForRun)
    if (this.#whenAborted) this.signal.removeEventListener('abort', this.#whenAborted)
  }

  readonly #stopForRun = (): void => {
    this.#controller?.abort(toClusterError(this.#run.signal.reason, this.#title))
  }

  #stopForTimeout(): void {
    if (this.isAsked) return
    this.#timedOut = true
    this.#controller?.abort(timeoutError(this.#title, this.#timeoutMs))
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
