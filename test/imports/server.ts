import { Cluster } from '../../lib/index.ts'
import { openLedger } from './ledger.ts'
import { shelfSource } from './shelf-source.ts'

// One server of the campaign of imports, as a process of its own: node server.ts URL NODE LEDGER SHELF STORE DATA-FOLDER

const [connectionString = '', nodeId = '', ledgerFile = '', shelf = '', store = '', dataDir = ''] =
  process.argv.slice(2)

const cluster = new Cluster({
  connectionString,
  nodeId,
  dataDir,
  store,
  sources: [shelfSource(shelf, openLedger(ledgerFile))],
  importsAtOnce: 2,
  lostAfter: '2s',
  profile: 'fast',
  retention: 'forever',
})
cluster.on('fenced', () => process.exit(75))
process.on('SIGTERM', () => {
  void cluster.stop({ drain: 0 }).then(() => process.exit(0))
})
await cluster.start()
console.log('ready')
