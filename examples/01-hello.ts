// Defines a process of two steps, runs it once, and prints its log.
// In a clone: node --conditions=cluster-worker-source examples/01-hello.ts

import { Cluster, call, command, defineProcess } from 'cluster-worker'
import { withDatabase } from './database.ts'

const greet = defineProcess({
  name: 'greet',
  steps: [
    call('greet', ({ log }) => log('Hello from a function.')),
    command('echo', { run: ['echo', 'Hello from a command.'] }),
  ],
})

await withDatabase(async connectionString => {
  const cluster = new Cluster({ connectionString, processes: [greet], nodeId: 'example' })
  await cluster.migrate()
  await cluster.start()

  const { id } = await cluster.enqueue(greet)
  const request = await cluster.wait(id)

  console.log(`request ${id} ${request.outcome} on the server ${request.node}`)
  for await (const { step, text } of cluster.logs(id)) process.stdout.write(`${step}: ${text}`)
  await cluster.stop()
})
