import t from 'tap'
import { Cluster } from '../../lib/cluster.ts'
import { hello } from '../../lib/dev/hello.ts'
import { createDatabase } from '../support/database.ts'

t.test('hello greets, and looks at the machine', async t => {
  const { pool } = await createDatabase(t)
  const dataDir = t.testdir()
  const cluster = new Cluster({ pool, processes: [hello], nodeId: 'a', dataDir })
  await cluster.start()
  const { id } = await cluster.enqueue(hello, {})
  t.match(await cluster.wait(id), { outcome: 'succeeded', result: { stdout: String } })
  const lines: string[] = []
  for await (const { text } of cluster.logs(id)) lines.push(text)
  t.match(lines, ['Hello, world!\n', 'This is the server a.\n', 'Goodbye.\n', /^\w+ /])
  await t.rejects(cluster.enqueue(hello, { nmae: 'Ada' }), { code: 'CW_INPUT_INVALID' })
  await cluster.stop()
})
