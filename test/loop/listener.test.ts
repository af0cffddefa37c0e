import type { Client } from 'pg'
import t from 'tap'
import { wakeChannel } from '../../lib/db/wake.ts'
import { call, defineProcess } from '../../lib/index.ts'
import { Listener, type Hint } from '../../lib/loop/listener.ts'
import { openRooms } from '../support/rows.ts'
import { startCluster } from '../support/start-cluster.ts'
import { until } from '../support/until.ts'

t.test('a listener whose connection breaks listens on another one', async t => {
  const { db } = await openRooms(t)
  const hints: Hint[] = []
  const sessions: Client[] = []
  const listener = new Listener({
    async connect() {
      const session = await db.connectAlone()
      sessions.push(session)
      return session
    },
    channel: wakeChannel(db),
    onHint: hint => void hints.push(hint),
  })
  t.teardown(() => listener.close())
  await listener.pass()
  const [first] = sessions
  if (!first) throw new Error('expected a session')
  const ended = new Promise<void>(resolve => first.once('end', resolve))
  await first.query('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined)
  await ended
  await t.rejects(listener.pass(), 'the broken one shows itself')
  await listener.pass()
  t.equal(sessions.length, 2)
  hints.length = 0
  await db.query({ text: 'select pg_notify($1, $2)', values: [wakeChannel(db), 'control'] })
  await until(async () => hints.includes('control'))
})

t.test('without any notification the work is found by polling', async t => {
  const hello = defineProcess({ name: 'hello', steps: [call('greet', () => 'hello')] })
  const { cluster } = await startCluster(t, [hello], { listen: false, pollInterval: '50ms' })
  const { id: first } = await cluster.enqueue(hello)
  t.match(await cluster.wait(first, { timeout: '15s' }), { outcome: 'succeeded' })
  const { id: second } = await cluster.enqueue(hello)
  t.match(await cluster.wait(second, { timeout: '15s' }), { outcome: 'succeeded' })
})
