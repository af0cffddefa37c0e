import { join } from 'node:path'
import t from 'tap'
import { monotonic } from '../lib/base/clock.ts'
import { Cluster } from '../lib/index.ts'
import { startServer } from './guardian/server-process.ts'

t.test('a server is declared lost after its own bound, by one that waits less, too', async t => {
  const slow = await startServer(t, {
    shells: {},
    nodeId: 'slow',
    lostAfter: '6s',
    guardian: false,
  })
  const watcher = new Cluster({
    connectionString: slow.url,
    nodeId: 'watcher',
    dataDir: join(t.testdirName, 'watcher'),
    retention: 'forever',
    lostAfter: '2s',
    guardian: false,
  })
  t.teardown(() => watcher.stop())
  await watcher.start()
  const lost = new Promise(resolve => watcher.once('declaredLost', resolve))
  const killedAt = monotonic()
  slow.kill('SIGKILL')
  t.match(await lost, { node: 'slow', failed: [] })
  t.ok(monotonic() - killedAt >= 6000)
})
