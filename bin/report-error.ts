import { styleText } from 'node:util'
import { ClusterError, messageOf } from '../lib/errors.ts'
import { exitCodeOf, type ExitCode } from './exit-code.ts'
import { talk } from './output.ts'
import { printable } from './printable.ts'

/**
 * Says on stderr what went wrong, with its code; the stack only where DEBUG=1 asks for it.
 * @param command the command that was given, if any
 */
export function reportError(thrown: unknown, command: string | undefined): ExitCode {
  const code = thrown instanceof ClusterError ? thrown.code : undefined
  const title = styleText('red', 'error:', { stream: process.stderr })
  const message = printable(messageOf(thrown)).replaceAll('\n', '\n       ')
  process.stderr.write(`${title} ${message}${code ? ` [${code}]` : ''}\n`)
  if (code === 'CW_OPTION') talk(`Run cluster-worker ${command ? `${command} ` : ''}--help`)
  if (process.env['DEBUG'] === '1' && thrown instanceof Error) talk(stackOf(thrown))
  return exitCodeOf(thrown)
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : ''
  return (error.stack ?? String(error)) + cause
}
