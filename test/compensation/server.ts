import { Cluster } from '../../lib/index.ts'
import { changedDeploy, deploy, look, upload } from './processes.ts'

// One server, as a process of its own: node server.ts URL NODE DATA-FOLDER [changed]

const [connectionString = '', nodeId = '', dataDir = '', changed] = process.argv.slice(2)

const cluster = new Cluster({
  connectionString,
  nodeId,
  dataDir,
  retention: 'forever',
  processes: [changed ? changedDeploy : deploy, upload, look],
})
await cluster.start()
console.log('ready')
