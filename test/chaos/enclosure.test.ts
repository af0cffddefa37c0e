import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import t from 'tap'
import { findMarked } from '../guardian/marked.ts'
import { makeFolder, plainEnvironment } from '../support/binary.ts'
import { until } from '../support/until.ts'

t.test('a run that is stopped from outside leaves nothing behind', async t => {
  const folder = await makeFolder(t)
  // The account of the database must reach it.
  await chmod(folder, 0o711)
  const args = ['test/chaos/run.ts', '--seed', '12', '--seconds', '60', '--servers', '2']
  const child = spawn(process.execPath, args, { env: plainEnvironment({ TMPDIR: folder }) })
  const ended = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  // The first fault: everything has started.
  await once(lines, 'line')
  t.ok(findMarked(folder).length > 0, 'it runs')
  child.kill('SIGTERM')
  t.strictSame(await ended, [1, null])
  await until(async () => findMarked(folder).length === 0)
  t.strictSame(await readdir(folder), [])
})
