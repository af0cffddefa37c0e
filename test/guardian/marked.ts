import { readdirSync, readFileSync } from 'node:fs'

/** The processes that have this text in their environment or on their command line and have not ended. */
export function findMarked(mark: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => Number.isInteger(pid) && pid !== process.pid)
    .filter(pid => isAlive(pid) && /* both may be gone by now */ textOf(pid).includes(mark))
}

/** Whether a process runs; one that only waits to be collected by its parent does not. */
export function isAlive(pid: number): boolean {
  return /^State:\s+[^ZX]/m.test(read(pid, 'status'))
}

/** The session of a process; undefined when it is gone. */
export function sessionOf(pid: number): number | undefined {
  const session = read(pid, 'stat').split(') ').at(-1)?.split(' ')[3]
  return session === undefined ? undefined : Number(session)
}

function textOf(pid: number): string {
  return read(pid, 'environ') + read(pid, 'cmdline')
}

/** As UTF-8, which Node reads in half the time: who looks all the time must not take it from those that are measured. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
