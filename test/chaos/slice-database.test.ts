import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { plainEnvironment } from '../support/binary.ts'

// The part of `npm run chaos` that restarts and replaces the database.

const execute = promisify(execFile)

t.test('restarts and promotions of the database lose nothing and nobody', async t => {
  const faults = 'database restarted,standby promoted,backends terminated'
  const words = ['--seed', '120', '--seconds', '12', '--servers', '2', '--faults', faults]
  const { stdout } = await execute(process.execPath, ['test/chaos/run.ts', ...words], {
    env: plainEnvironment(),
    // A run that found something exits with 1, and tells what.
  }).catch((error: { stdout: string }) => error)
  t.match(stdout, 'seed 120: all that must hold, holds')
  t.match(stdout, /\d {2}standby promoted/)
})
