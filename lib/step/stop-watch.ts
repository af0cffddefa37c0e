import { performance } from 'node:perf_hooks'
import { ClusterError } from '../errors.ts'

/** Watches for the two reasons to stop a step before it ends: the run's signal and the step's timeout. */
export interface StopWatch {
  /** Aborted for either reason; the reason is the ClusterError that the step rejects with. */
  readonly signal: AbortSignal
  /** Resolves when the signal is aborted. */
  readonly asked: Promise<void>
  /** Whether the timeout was the reason. */
  readonly timedOut: boolean
  /**
   * The work is over: the timeout no longer counts. When a blocked event loop kept the timer from
   * firing, the timeout is noticed here.
   */
  stopClock(): void
  /** Lets go of the run's signal. */
  close(): void
}

/**
 * Starts to watch.
 * @param timeoutMs none when the step may run for ever
 * @param title what ran, for the error: `command 'sleep'`
 */
export function watchStop(
  runSignal: AbortSignal,
  timeoutMs: number | undefined,
  title: string,
): StopWatch {
  const startedAt = performance.now()
  const controller = new AbortController()
  const { signal } = controller
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => resolve(), { once: true })
  let clockRuns = timeoutMs !== undefined
  let timedOut = false

  const stopForRun = () => controller.abort(toClusterError(runSignal.reason, title))
  const stopForTimeout = () => {
    if (signal.aborted) return
    timedOut = true
    controller.abort(timeoutError(title, timeoutMs))
  }
  const timer = timeoutMs === undefined ? undefined : setTimeout(stopForTimeout, timeoutMs)
  runSignal.addEventListener('abort', stopForRun, { once: true })
  if (runSignal.aborted) stopForRun()

  const stopClock = () => {
    clearTimeout(timer)
    if (clockRuns && performance.now() - startedAt >= (timeoutMs ?? Infinity)) stopForTimeout()
    clockRuns = false
  }
  return {
    signal,
    asked,
    get timedOut() {
      return timedOut
    },
    stopClock,
    close() {
      clearTimeout(timer)
      runSignal.removeEventListener('abort', stopForRun)
    },
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
