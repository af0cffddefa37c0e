/** Where a line of a request's log came from. */
export type LogStream = 'stdout' | 'stderr' | 'log' | 'system'

/** Takes what one step prints. */
export interface LogSink {
  /**
   * Appends text, in order. The text may hold any number of lines, or part of one; it is already free
   * of NULs and lone surrogates.
   *
   * Whoever produces output without bound must await the promise before it reads more: it resolves
   * when there is room again. It never rejects (a log that cannot be written must not fail the step).
   */
  write(stream: LogStream, text: string): Promise<void>
}
