import { fstatSync, writeSync } from 'node:fs'
import { printable } from './printable.ts'
import { exitCode } from './exit-code.ts'

/** Prepares for readers that go away and for disks that are full. */
export function guardOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads has seen enough, as in `cluster-worker list | head -1`.
    if (error.code === 'EPIPE') process.exit(exitCode.ok)
    talk(`error: expected to write to the standard output, got: ${error.message}`)
    process.exit(exitCode.failed)
  })
  process.stderr.on('error', () => undefined)
}

/** Writes data: a line or more on stdout. Resolves when it is written, so that a slow reader slows us. */
export function print(text: string): Promise<void> {
  return write(`${text}\n`)
}

/** Our stdout or stderr. */
export type OutputStream = NodeJS.WriteStream & { fd: 1 | 2 }

/**
 * Writes text as it is.
 * @throws {Error} when it goes to a file that cannot take all of it
 */
export async function write(text: string, stream: OutputStream = process.stdout): Promise<void> {
  if (fstatSync(stream.fd).isFile()) return writeToFile(text, stream.fd)
  const { promise, resolve } = Promise.withResolvers<void>()
  stream.write(text, () => resolve())
  return promise
}

/** To a file, the stream would write once, and take a part of the text for all of it. */
function writeToFile(text: string, fd: number): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest))
}

/** Writes one JSON document on stdout. */
export function printJson(value: unknown): Promise<void> {
  return print(toJson(value))
}

/** JSON in which nothing can disturb a terminal: what JSON itself does not escape, we do. */
export function toJson(value: unknown, indent: number = 2): string {
  return JSON.stringify(value, undefined, indent).replaceAll(
    /[\u007f-\u009f]/g,
    character => `\\u00${character.charCodeAt(0).toString(16)}`,
  )
}

/** Tells the user something beside the data: a line on stderr. */
export function talk(text: string): void {
  process.stderr.write(`${printable(text)}\n`)
}
