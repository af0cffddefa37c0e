import t from 'tap'
import { until } from '../support/until.ts'
import { open } from './open-testbed.ts'

t.setTimeout(120_000)

t.test('a frozen server is lost, and one that is thawed in time is not', async t => {
  const { startServer, cluster, server } = await open(t)
  const { freeze, thaw, ended, stop } = await startServer(server)
  freeze()
  thaw()
  t.equal(await stop(), 0)
  const other = await startServer(server)
  other.freeze()
  t.equal(await other.ended, 'SIGKILL', 'by its guardian')
  await until(async () => (await cluster.nodes())[1]?.state === 'lost')
  t.equal(await ended, 0)
})

t.test('behind a proxy, a server is cut off and comes back', async t => {
  const { startProxy, startServer, cluster, waitForRequest, server } = await open(t)
  const proxy = await startProxy()
  const { output, ended } = await startServer({ ...server, databaseUrl: proxy.url })
  proxy.cut()
  const { id } = await cluster.enqueue('clock')
  t.match(await waitForRequest(id), { outcome: 'succeeded' })
  await proxy.refuse()
  const { id: next } = await cluster.enqueue('clock')
  await proxy.restore()
  t.match(await waitForRequest(next), { outcome: 'succeeded' }, 'nothing is lost by a refusal')
  await until(async () => (await cluster.nodes())[0]?.state === 'active')
  proxy.stall()
  t.equal(await ended, 75, 'nor does anybody answer who could tell')
  t.match(output(), /could not prove to the database that it is alive/)
  await proxy.restore()
})
