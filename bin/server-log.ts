import { pino, type DestinationStream, type Logger, type LoggerOptions } from 'pino'
import type { LogLevel } from '../lib/options.ts'
import { printable } from './printable.ts'

export interface ServerLog {
  readonly logger: Logger
  /** Resolves when whoever read the log has gone away. */
  readonly readerGone: Promise<void>
}

/** So much of the log waits for a slow reader at the most, in bytes; what comes then is dropped. */
const longestBacklog = 4 * 1024 * 1024

/**
 * Opens the server's own log on stdout: JSON lines, or lines for people on a terminal. A reader that
 * stands still must not make the server stand still, so the log is written in the background.
 */
export async function openServerLog(level: LogLevel): Promise<ServerLog> {
  const stdout = pino.destination({ dest: 1, sync: false, maxLength: longestBacklog })
  const { promise: readerGone, resolve } = Promise.withResolvers<void>()
  // Other failures, such as a full disk, cost lines of the log but not the server.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') resolve()
  })
  const stream = process.stdout.isTTY ? await readableOn(stdout) : stdout
  return { logger: pino({ ...loggerOptions, level }, stream), readerGone }
}

const loggerOptions: LoggerOptions = {
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: label => ({ level: label }) },
  redact: {
    paths: [
      'password',
      '*.password',
      'connectionString',
      '*.connectionString',
      'databaseUrl',
      '*.databaseUrl',
    ],
    censor: '[redacted]',
  },
  hooks: { streamWrite: hidePasswords },
}

/** Hides the password of every database URL in a line, wherever in a message it stands. */
export function hidePasswords(line: string): string {
  return line.replaceAll(/(postgres(?:ql)?:\/\/[^\s:/@"]*:)[^\s/@"]*@/g, '$1***@')
}

async function readableOn(stdout: DestinationStream): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({
    destination: stdout,
    colorize: process.stdout.hasColors?.() ?? false,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    messageFormat: (log, key) => (typeof log[key] === 'string' ? printable(log[key]) : ''),
  })
}
