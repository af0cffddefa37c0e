/** Where a line of a request's log came from. */
export type LogStream = 'stdout' | 'stderr' | 'log' | 'system'

/** Text of a log, free of NULs and lone surrogates; bytes are UTF-8 and whole characters, and may not change while they are needed. */
export type LogText = string | Buffer

/** Takes what one step prints. */
export interface LogSink {
  /**
   * Appends text, in order. The text may hold any number of lines, or part of one.
   *
   * Whoever produces output without bound must await the promise before it reads more: it resolves
   * when there is room again. It never rejects (a log that cannot be written must not fail the step).
   * @param onStored called when the text's bytes are needed no more, unless they could not be stored
   */
  write(stream: LogStream, text: LogText, onStored?: () => void): Promise<void>
}
