import { setTimeout as delay } from 'node:timers/promises'
import { call, Cluster, command, defineProcess } from '../../lib/index.ts'
import { openLedger } from './ledger.ts'

// One server of a campaign, as a process of its own: node server.ts URL NODE LEDGER DATA-FOLDER

const [connectionString = '', nodeId = '', ledgerFile = '', dataDir = ''] = process.argv.slice(2)
const ledger = openLedger(ledgerFile)

const quick = defineProcess({
  name: 'quick',
  steps: [call('note', ({ requestId, token }) => ledger.note(requestId, token))],
})

const slow = defineProcess({
  name: 'slow',
  steps: [
    call('note', ({ requestId, token }) => ledger.note(requestId, token)),
    command('work', { shell: 'echo begun; sleep "$CLUSTER_INPUT_SECONDS"; echo done' }),
    call('rest', async ({ signal }) => {
      await delay(20, undefined, { signal })
    }),
  ],
})

const cluster = new Cluster({
  connectionString,
  nodeId,
  dataDir,
  processes: [quick, slow],
  concurrency: Number(process.env['CAMPAIGN_CONCURRENCY'] ?? 50),
  pollInterval: '200ms',
  lostAfter: process.env['CAMPAIGN_LOST_AFTER'] ?? '2s',
})
cluster.on('fenced', reason => {
  console.error(`${nodeId} fenced: ${reason.message}`)
  process.exit(75)
})
process.on('SIGTERM', () => {
  void cluster.stop().then(() => process.exit(0))
})
await cluster.start()
console.log('ready')
