import { openSync, readFileSync, writeSync } from 'node:fs'

export type Work = 'check' | 'import'

/** One stretch of work under a lock, as the server that did it saw it. All moments are of one machine's clock, in ms. */
export interface Held {
  work: Work
  what: string
  pid: number
  from: number
  /** When it ended, or heard that its lock was lost; Infinity when its server was killed before. */
  to: number
  ended: 'done' | 'lost' | 'killed'
}

/** An account of who worked under which lock, kept outside the database: each line is one short append. */
export interface ImportLedger {
  begin(work: Work, what: string, signal: AbortSignal): void
  end(work: Work, what: string): void
}

export function openLedger(file: string): ImportLedger {
  const fd = openSync(file, 'a')
  const note = (kind: string, work: Work, what: string): void => {
    const at = Number(process.hrtime.bigint() / 1000n) / 1000
    writeSync(fd, `${at}\t${process.pid}\t${kind}\t${work}\t${what}\n`)
  }
  const open = new Set<string>()
  return {
    begin(work, what, signal) {
      const key = `${work} ${what}`
      open.add(key)
      note('begin', work, what)
      signal.addEventListener('abort', () => {
        if (open.delete(key)) note('lost', work, what)
      })
    },
    end(work, what) {
      if (open.delete(`${work} ${what}`)) note('done', work, what)
    },
  }
}

/** @param killedAt when each process that was killed went, by its pid */
export function readLedger(file: string, killedAt: ReadonlyMap<number, number>): Held[] {
  const all: Held[] = []
  const open = new Map<string, Held>()
  for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const [at, pid, kind, work, what] = line.split('\t') as [string, string, string, Work, string]
    const key = `${pid} ${work} ${what}`
    if (kind === 'begin') {
      const from = Number(at)
      const to = killedAt.get(Number(pid)) ?? Infinity
      const held: Held = { work, what, pid: Number(pid), from, to, ended: 'killed' }
      open.set(key, held)
      all.push(held)
    } else Object.assign(open.get(key) ?? {}, { to: Number(at), ended: kind })
  }
  return all.toSorted((a, b) => a.from - b.from)
}
