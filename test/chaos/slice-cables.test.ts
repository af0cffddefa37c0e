import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { plainEnvironment } from '../support/binary.ts'
import { canMakeCables } from './enclosure.ts'

// The part of `npm run chaos` that needs network namespaces: cuts of which no kernel hears.

const execute = promisify(execFile)
const skip = canMakeCables() ? false : 'needs root and the program ip'

t.test('a server whose cable fails is lost, and comes back with the cable', { skip }, async t => {
  const faults = 'network unplugged,packets lost one way'
  const words = ['--seed', '4', '--seconds', '6', '--servers', '4', '--faults-per-second', '0.4']
  const { stdout } = await execute(
    process.execPath,
    // Lost servers are declared so well before their cables are mended.
    ['test/chaos/run.ts', ...words, '--lost-after', '2000', '--faults', faults],
    { env: plainEnvironment() },
    // A run that found something exits with 1, and tells what.
  ).catch((error: { stdout: string }) => error)
  for (const what of ['no packet gets', 'no packet to the server', 'no packet from the server'])
    t.match(stdout, what)
  t.match(stdout, 'seed 4: all that must hold, holds')
  // Who runs something at that moment, and is declared lost before the cable is mended, is up to the machine.
  t.match(stdout, / frozen or cut off → rows failed .*\(of [12]\)/)
  t.match(stdout, / server back as a new incarnation .*\(of 3\)/)
})
