import { Cluster } from '../../lib/index.ts'

// The server of measure-import.ts, as a process of its own: node import-server.ts URL STORE DATA-FOLDER

const [connectionString = '', store = '', dataDir = ''] = process.argv.slice(2)

const cluster = new Cluster({ connectionString, nodeId: 'a', store, dataDir, retention: 'forever' })
process.on('SIGTERM', () => {
  void cluster.stop().then(() => process.exit(0))
})
await cluster.start()
console.log('ready')
