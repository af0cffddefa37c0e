import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

/**
 * An account of what really started, kept outside the database: the first act of each step is one line in a file
 * that is only ever appended to. A short append is atomic, also with many processes.
 */
export function openLedger(file: string): {
  note(requestId: string, token: string): void
  close(): void
} {
  const fd = openSync(file, 'a')
  return {
    note: (requestId, token) => void writeSync(fd, `${requestId} ${token} ${process.pid}\n`),
    close: () => closeSync(fd),
  }
}

/** How often each request was started. */
export function readLedger(file: string): Map<string, number> {
  const starts = new Map<string, number>()
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [id] = line.split(' ')
    if (id) starts.set(id, (starts.get(id) ?? 0) + 1)
  }
  return starts
}
