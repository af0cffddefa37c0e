import { once } from 'node:events'
import t from 'tap'
import { declareLost } from '../../lib/db/incarnations.ts'
import { call, defineProcess } from '../../lib/index.ts'
import { openDatabase } from '../support/rows.ts'
import { startCluster } from '../support/start-cluster.ts'

const hello = defineProcess({ name: 'hello', steps: [call('greet', () => 'hello')] })

t.test('a server that loses the database again and again waits a minute', async t => {
  const { cluster, url } = await startCluster(t, [hello], { lostAfter: '2s', guardian: false })
  const db = openDatabase(t, url)
  for (const state of ['active', 'suspended']) {
    const fenced = once(cluster, 'fenced')
    await declareLost(db, (await cluster.node('a')).incarnation, 'another server')
    await fenced
    await cluster.start()
    t.match(await cluster.nodes(), [{ state }])
  }
  const { reasons, history } = await cluster.node('a')
  t.match(reasons, [{ kind: 'database', who: 'a', until: Date }])
  t.match(
    history.map(({ state }) => state),
    ['joined', 'fenced', 'lost', 'joined', 'fenced', 'lost', 'joined'],
  )
  // As if the minute were over.
  await db.query({ text: `update ${db.t.suspension} set until = now() where kind = 'database'` })
  const { id } = await cluster.enqueue(hello)
  t.match(await cluster.wait(id), { outcome: 'succeeded' })
})
