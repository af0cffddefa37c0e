import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { plainEnvironment } from './support/binary.ts'
import { mutants } from './mutants/list.ts'
import { planChange } from './mutants/mutant.ts'

t.test('every mutant of the list still fits the code, and has a test', async t => {
  t.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length, 'each has its own name')
  for (const mutant of mutants) {
    const { before, after } = await planChange('.', mutant)
    t.not(after, before, mutant.name)
    await access(mutant.test)
  }
})

t.test('two of them are caught', async t => {
  const names = ['start after the fence', 'silences added up']
  const args = ['test/mutants/run.ts', ...names.flatMap(name => ['--only', name])]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: plainEnvironment() })
  t.match(stdout, /^all 2 are caught$/m)
})
