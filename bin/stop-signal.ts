import { exitCode, type ExitCode } from './exit-code.ts'

/** The signals that ask a server to stop. */
export type StopSignal = 'SIGHUP' | 'SIGINT' | 'SIGTERM'

const codeOfSignal: Record<StopSignal, ExitCode> = {
  SIGHUP: exitCode.hungUp,
  SIGINT: exitCode.interrupted,
  SIGTERM: exitCode.terminated,
}

/**
 * Calls the listener for each signal, with the exit code that stands for it.
 * @returns lets signals do again what they did before
 */
export function onStopSignal(listener: (signal: StopSignal, code: ExitCode) => void): () => void {
  const listeners = (['SIGHUP', 'SIGINT', 'SIGTERM'] as const).map(signal => {
    const listen = (): void => listener(signal, codeOfSignal[signal])
    process.on(signal, listen)
    return () => process.off(signal, listen)
  })
  return () => listeners.forEach(stop => stop())
}
