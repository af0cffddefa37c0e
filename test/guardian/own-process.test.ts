import { execFileSync } from 'node:child_process'
import t from 'tap'
import { readOwnProcess } from '../../lib/guardian/own-process.ts'
import { readProcess } from '../../lib/step/process-list.ts'

t.test('a server knows where its environment lies', async t => {
  t.match(readProcess(process.pid), readOwnProcess())
  t.not(readOwnProcess().environmentAt, '0')
})

t.test(
  'where that is no chance, other servers have it there too: then it tells nothing',
  async t => {
    const module = new URL('../../lib/guardian/own-process.ts', import.meta.url).href
    const script = `import('${module}').then(own => console.log(own.readOwnProcess().environmentAt))`
    const command = ['-R', process.execPath, '-e', script]
    t.equal(execFileSync('setarch', command, { encoding: 'utf8', env: {} }), '0\n')
  },
)
