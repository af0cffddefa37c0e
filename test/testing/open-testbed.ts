import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openTestbed, type TestbedOptions } from '../../lib/testing/index.ts'
import { createDatabase } from '../support/database.ts'

const steps = `
name: three
steps:
  - { name: first, shell: 'echo first >> "$LEDGER"' }
  - { name: second, shell: 'echo second >> "$LEDGER"', undo: { shell: 'echo undone >> "$LEDGER"' } }
  - { name: third, shell: 'date +%s >> "$LEDGER"' }
`

const clock = `
import { call, defineProcess } from ${JSON.stringify(import.meta.resolve('../../lib/index.ts'))}
export const clock = defineProcess({
  name: 'clock',
  steps: [call('read', () => [Date.now(), new Date().getTime(), new Date(0).getTime()])],
})
`

/** A testbed with a folder of processes, on a database of its own. */
export async function open(t: Test, options: TestbedOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'cw-testbed-'))
  await writeFile(join(folder, 'three.yaml'), steps)
  await writeFile(join(folder, 'clock.ts'), clock)
  const { url } = await createDatabase(t)
  const bed = await openTestbed({ databaseUrl: url, ...options })
  t.teardown(async () => {
    await bed.end()
    await rm(folder, { recursive: true })
  })
  const ledger = join(folder, 'ledger')
  await writeFile(ledger, '')
  const server = {
    processes: [join(folder, 'three.yaml'), join(folder, 'clock.ts')],
    // Longer than a busy machine may keep a server from its turn.
    flags: ['--pass-env', 'LEDGER', '--lost-after', '10s'],
    env: { LEDGER: ledger },
  }
  return { ...bed, server, readLedger: () => readFile(ledger, 'utf8') }
}
