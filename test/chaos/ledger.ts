import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { uptime } from 'node:os'

/**
 * What a line says: a step begins or has ended, an undo begins or has ended, an on-failure step begins, a
 * process that a command started is there.
 */
export const ledgerActs = ['begin', 'end', 'undo', 'undone', 'failure', 'child'] as const
export type LedgerAct = (typeof ledgerActs)[number]

export interface LedgerLine {
  readonly act: LedgerAct
  readonly requestId: string
  readonly token: string
  readonly node: string
  /** The process id of the server. */
  readonly server: number
  /** The process that wrote the line, and when it was started: together they name it for good. */
  readonly pid: number
  readonly startTicks: string
  /** Since the machine was started, in milliseconds; comparable between all processes, to 10 ms. */
  readonly clockMs: number
  readonly step: string
}

/** What a step is told about its run. */
export interface LedgerRun {
  readonly requestId: string
  readonly token: string
  readonly node: string
  readonly step: string
}

/** The clock of the ledger: monotonic, and the same for all processes of the machine. */
export function ledgerClock(): number {
  return Math.round(uptime() * 1000)
}

/** The ledger of a server, for its function steps: an append of one short line is atomic. */
export function openLedger(file: string): {
  note(act: LedgerAct, run: LedgerRun): void
  close(): void
} {
  const fd = openSync(file, 'a')
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  const { pid } = process
  return {
    note(act, { requestId, token, node, step }) {
      const words = [act, requestId, token, node, pid, pid, startTicks, ledgerClock() / 1000, step]
      writeSync(fd, `${words.join(' ')}\n`)
    },
    close: () => closeSync(fd),
  }
}

/**
 * The same for command steps, as the first lines of a shell script: `note <act>`. It needs the variables
 * CHAOS_LEDGER and CHAOS_SERVER, and starts no process.
 */
export const shellLedger = `
note() {
  read -r pid _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ ticks _ </proc/self/stat
  read -r now _ </proc/uptime
  echo "$1 $CLUSTER_REQUEST_ID $CLUSTER_TOKEN $CLUSTER_NODE $CHAOS_SERVER $pid $ticks $now $CLUSTER_STEP" >>"$CHAOS_LEDGER"
}
`

/** All lines, in the order in which they were written; the last one may be half written still. */
export function readLedger(text: string): LedgerLine[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(line => line !== '')
    .map(parseLine)
}

function parseLine(line: string): LedgerLine {
  const [act, requestId, token, node, server, pid, startTicks, clock, step, ...more] =
    line.split(' ')
  const known = ledgerActs.find(one => one === act)
  if (!known || !requestId || !token || !node || !startTicks || !step || more.length > 0)
    throw new Error(`expected a line of the ledger, got ${line}`)
  return {
    act: known,
    requestId,
    token,
    node,
    server: Number(server),
    pid: Number(pid),
    startTicks,
    clockMs: Math.round(Number(clock) * 1000),
    step,
  }
}
