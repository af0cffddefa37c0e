import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { WorkOrder } from './contender.ts'
import { loadContender } from './contenders.ts'
import { Ledger, type LedgerReport } from './ledger.ts'

// One worker process of one contender, started by worker-process.ts.

export type ToWorker = { do: 'start' | 'report' | 'heap' | 'stop' }

export type FromWorker =
  | { is: 'ready' | 'working' | 'stopped' }
  | { is: 'progress'; started: number }
  | ({ is: 'ledger' } & LedgerReport)
  | { is: 'heap'; bytes: number }

/** How often the parent hears how many jobs have started, in milliseconds. */
const progressMs = 10

const order = JSON.parse(process.argv[2] ?? '') as WorkOrder
const contender = await loadContender(order.contender)
const ledger = new Ledger(order.capacity)
let stop: (() => Promise<void>) | undefined

function tell(message: FromWorker): void {
  process.send?.(message)
}

function tellProgress(): void {
  let told = 0
  setInterval(() => {
    if (ledger.started === told) return
    told = ledger.started
    tell({ is: 'progress', started: told })
  }, progressMs).unref()
}

/** What is in use, without what only waits for the collector. */
function measureHeap(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

async function obey(message: ToWorker): Promise<void> {
  switch (message.do) {
    case 'start':
      tellProgress()
      stop = await contender.startWorker(order, ledger)
      tell({ is: 'working' })
      break
    case 'report':
      tell({ is: 'ledger', ...ledger.report() })
      break
    case 'heap':
      tell({ is: 'heap', bytes: measureHeap() })
      break
    case 'stop':
      await stop?.()
      tell({ is: 'stopped' })
      process.exit(0)
  }
}

process.on('message', (message: ToWorker) => {
  obey(message).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
// The benchmark is gone.
process.on('disconnect', () => process.exit(1))
tell({ is: 'ready' })
