import type { ExitCode } from './exit-code.ts'
import { onStopSignal } from './stop-signal.ts'

/**
 * Does work that can be given up: the first signal aborts it, so that it can remove what it has made; a second one ends the
 * process at once.
 * @returns what the work returns, or the exit code for the signal when it was given up
 */
export async function untilStopped<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | ExitCode> {
  const stop = new AbortController()
  let code: ExitCode | undefined
  const ignoreSignals = onStopSignal((signal, signalCode) => {
    if (code !== undefined) process.exit(signalCode)
    code = signalCode
    stop.abort(new Error(`stopped by ${signal}`))
  })
  try {
    return await work(stop.signal)
  } catch (error) {
    if (code === undefined) throw error
    return code
  } finally {
    ignoreSignals()
  }
}
