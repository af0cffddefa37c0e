import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { plainEnvironment } from '../support/binary.ts'

// A short piece of what `npm run chaos` does for eight minutes.

const execute = promisify(execFile)

t.test('a short run under faults breaks nothing, and says so', async t => {
  const csv = join(t.testdir(), 'runs.csv')
  const { stdout } = await execute(
    process.execPath,
    ['test/chaos/run.ts', '--seed', '8', '--seconds', '9', '--servers', '3', '--csv', csv],
    { env: plainEnvironment() },
    // A run that found something exits with 1, and tells what.
  ).catch((error: { stdout: string }) => error)
  t.match(stdout, 'seed 8: all that must hold, holds')
  t.notMatch(stdout, 'BROKEN')
  const [names = '', values = ''] = (await readFile(csv, 'utf8')).split('\n')
  const row = new Map(names.split(',').map((name, index) => [name, values.split(',')[index]]))
  t.match(Object.fromEntries(row), { seed: '8', seconds: '9', violations: '0' })
  t.ok(Number(row.get('faults')) > 5)
  t.ok(Number(row.get('requests')) > 500)
})
