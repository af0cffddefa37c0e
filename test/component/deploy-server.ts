import { artifact, Cluster, defineProcess, deployed } from '../../lib/index.ts'

// One server, as a process of its own, that puts versions of `app` on `web`: node deploy-server.ts URL NODE DATA-FOLDER

const [connectionString = '', nodeId = '', dataDir = ''] = process.argv.slice(2)

const files = artifact('app', ({ input }) => input.version)
const deploy = defineProcess({ name: 'deploy', steps: [files, deployed(files, 'web')] })

const cluster = new Cluster({
  connectionString,
  nodeId,
  dataDir,
  retention: 'forever',
  processes: [deploy],
})
await cluster.start()
console.log('ready')
