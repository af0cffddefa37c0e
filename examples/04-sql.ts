// Enqueues, looks and cancels with nothing but SQL, as any program in any language can.
// In a clone: node --conditions=cluster-worker-source examples/04-sql.ts

import { Cluster, call, defineProcess } from 'cluster-worker'
import { Client } from 'pg'
import { withDatabase } from './database.ts'

const measure = defineProcess({
  name: 'measure',
  steps: [call('measure', ({ input }) => ({ length: JSON.stringify(input).length }))],
})

await withDatabase(async connectionString => {
  const cluster = new Cluster({ connectionString, processes: [measure], nodeId: 'example' })
  await cluster.migrate()
  await cluster.start()
  const client = new Client({ connectionString })
  await client.connect()

  const enqueued = await client.query<{ now: string; later: string }>(`
    select
      cluster_worker.enqueue('measure', '{ "what": "a table" }') as now,
      cluster_worker.enqueue(
        'measure', '{ "what": "a chair" }',
        '{ "priority": 5, "runAt": "2099-12-31T00:00:00Z", "idempotencyKey": "chair" }'
      ) as later`)
  const { now, later } = enqueued.rows[0] ?? { now: '', later: '' }

  await cluster.wait(now)
  await client.query('select cluster_worker.cancel($1)', [later])

  const status = await client.query(
    `select process, input ->> 'what' as what, state, outcome, node, result ->> 'length' as length
     from cluster_worker.request_status where id in ($1, $2) order by id`,
    [now, later],
  )
  console.table(status.rows)
  await client.end()
  await cluster.stop()
})
