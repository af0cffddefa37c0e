import type { StepRun } from './step.ts'
import { StopWatch } from './stop-watch.ts'

/** Does the work until the step is stopped or its time is up. */
export async function watchWork<T>(
  run: Pick<StepRun, 'signal' | 'isStopped' | 'onStarted'>,
  timeoutMs: number | undefined,
  title: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new StopWatch(run, timeoutMs, title)
  try {
    run.onStarted()
    return await work(stop.signal)
  } catch (error) {
    // Whatever the abortion made of the work, this is why.
    stop.throwIfAsked()
    throw error
  } finally {
    stop.close()
  }
}
