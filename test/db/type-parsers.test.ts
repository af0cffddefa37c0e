import pg from 'pg'
import t from 'tap'
import { call, defineProcess } from '../../lib/index.ts'
import { startCluster } from '../support/start-cluster.ts'

// Applications do this to the driver they share with us.
pg.types.setTypeParser(20, Number)
pg.types.setTypeParser(1184, text => text)
pg.types.setTypeParser(3802, text => text)

t.test("an application's own parsers of the driver do not change what we read", async t => {
  const echo = defineProcess({ name: 'echo', steps: [call('echo', ({ input }) => input)] })
  const { cluster } = await startCluster(t, [echo])
  const { id } = await cluster.enqueue(echo, { deep: [1, null, 'x'] })
  const record = await cluster.wait(id)
  t.match(record, { id, outcome: 'succeeded', result: { deep: [1, null, 'x'] } })
  t.ok(record.enqueuedAt instanceof Date)
  t.ok(Number(record.finishedAt) >= Number(record.startedAt))
  t.equal(typeof record.incarnation, 'string')
})
