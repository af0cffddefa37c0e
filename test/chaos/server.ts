import { createInterface } from 'node:readline'
import { Cluster, type ClusterOptions, type Logger } from '../../lib/index.ts'
import { openLedger } from './ledger.ts'
import { chaosProcesses } from './processes.ts'
import { skewClock } from './skewed-date.ts'

// One server, as a process of its own: node server.ts ORDER. It prints what it logs, a line of JSON each, and
// takes orders from its standard input, with whose end it ends.

/** What a server is told when it starts. */
export interface ServerOrder extends Omit<ClusterOptions, 'pool' | 'processes' | 'logger'> {
  readonly ledger: string
  /** How far its wall clock is ahead of the machine's, in milliseconds. */
  readonly aheadMs: number
}

/** What it can be told while it runs. */
export interface ServerCommand {
  /** Does nothing else for so long. */
  readonly blockMs?: number
  /** Sets its wall clock. */
  readonly aheadMs?: number
}

const { ledger: ledgerFile, aheadMs, ...options } = JSON.parse(process.argv[2] ?? '') as ServerOrder
const setAhead = skewClock()
setAhead(aheadMs)
process.env['CHAOS_LEDGER'] = ledgerFile
process.env['CHAOS_SERVER'] = String(process.pid)

const print = (about: object, msg: string): void => console.log(JSON.stringify({ ...about, msg }))
const unheard = new Set(['claimed', 'request finished'])
const log = (about: object, msg: string): void => {
  if (!unheard.has(msg)) print(about, msg)
}
const logger: Logger = { debug: log, info: log, warn: log, error: log }

const cluster = new Cluster({
  ...options,
  passEnv: ['CHAOS_LEDGER', 'CHAOS_SERVER'],
  processes: chaosProcesses(openLedger(ledgerFile)),
  logger,
})
cluster.on('fenced', () => process.exit(75))
process.on('SIGTERM', () => {
  void cluster.stop().then(() => process.exit(0))
})
process.stdout.on('error', () => process.exit(1))
createInterface({ input: process.stdin })
  .on('line', line => obey(JSON.parse(line) as ServerCommand))
  .on('close', () => process.exit(1))
await cluster.start()

function obey({ blockMs, aheadMs }: ServerCommand): void {
  if (aheadMs !== undefined) setAhead(aheadMs)
  if (blockMs !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs)
}
