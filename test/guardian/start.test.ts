import { linkSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { Cluster } from '../../lib/index.ts'
import { createDatabase } from '../support/database.ts'
import { launchServer, readLog } from './launch-server.ts'

/** A server whose Node can be taken away: then it cannot start another process with it. */
async function launch(t: Test, { losesNode }: { losesNode: boolean }) {
  const { url } = await createDatabase(t)
  const folder = t.testdir()
  const node = `${folder}/node`
  linkSync(process.execPath, node)
  const child = launchServer(
    {
      connectionString: url,
      nodeId: 'a',
      dataDir: `${folder}/data`,
      retention: 'forever',
      lostAfter: '2s',
      shells: {},
      losesNode,
    },
    'unused',
    node,
  )
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const cluster = new Cluster({ connectionString: url, nodeId: 'test' })
  t.teardown(() => cluster.stop())
  return { cluster, ended, waitForLine: readLog(child), takeNode: () => rmSync(node) }
}

t.test('a server that gets no guardian does not start', async t => {
  const { cluster, ended, waitForLine } = await launch(t, { losesNode: true })
  t.match(await waitForLine('refused'), {
    code: 'CW_GUARDIAN',
    message: /^the guardian could not be started: spawn .*ENOENT$/,
  })
  t.same(await ended, [1, null])
  t.same(await cluster.nodes(), [])
})

t.test('a server that cannot replace its guardians stops its work', async t => {
  const { ended, waitForLine, takeNode } = await launch(t, { losesNode: false })
  const guardians = [
    await waitForLine('a guardian watches'),
    await waitForLine('a guardian watches'),
  ]
  await waitForLine('ready')
  takeNode()
  for (const { guardian } of guardians) process.kill(Number(guardian), 'SIGKILL')
  t.same(await ended, [75, null])
})
