import { execFileSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isRunning } from './live-processes.ts'
import { ledgerClock, openLedger, readLedger, shellLedger } from './ledger.ts'
import { LedgerTail, readLedgerFile } from './ledger-tail.ts'

const run = { requestId: '7', token: 'claim:7', node: 's1', step: 'work' }

t.test('functions and commands write the same lines', async t => {
  const file = join(t.testdir(), 'ledger')
  const before = ledgerClock()
  const ledger = openLedger(file)
  ledger.note('begin', run)
  ledger.close()
  execFileSync('/bin/sh', ['-c', `${shellLedger}\nnote end`], {
    env: {
      CHAOS_LEDGER: file,
      CHAOS_SERVER: '42',
      CLUSTER_REQUEST_ID: '7',
      CLUSTER_TOKEN: 'claim:7',
      CLUSTER_NODE: 's1',
      CLUSTER_STEP: 'work',
    },
  })
  const [begin, end, ...more] = readLedgerFile(file)
  t.strictSame(more, [])
  t.match(begin, { ...run, act: 'begin', server: process.pid, pid: process.pid })
  t.match(end, { ...run, act: 'end', server: 42 })
  t.ok(begin && isRunning(begin), 'the process that wrote it can be recognised')
  t.notOk(end && isRunning(end))
  t.notOk(begin && isRunning({ ...begin, startTicks: `${begin.startTicks}1` }))
  for (const line of [begin, end])
    t.ok(line && line.clockMs >= before - 10 && line.clockMs <= ledgerClock() + 10)
})

t.test('a ledger can be read while it is written', async t => {
  const file = join(t.testdir(), 'ledger')
  const tail = new LedgerTail(file)
  t.teardown(() => tail.close())
  t.strictSame(tail.next(), [])
  appendFileSync(file, 'begin 1 a:1 s1 5 5 99 1.50 work\nend 1 a:1 s1 5 5')
  t.match(tail.next(), [{ act: 'begin', clockMs: 1500 }])
  t.strictSame(tail.next(), [])
  appendFileSync(file, ' 99 2.00 work\n')
  t.match(tail.next(), [{ act: 'end', clockMs: 2000 }])
})

t.test('what is no line of a ledger is refused', async t => {
  t.throws(() => readLedger('begin 1 a:1 s1 5 5 99 1.50\n'), { message: /expected a line/ })
  t.throws(() => readLedger('began 1 a:1 s1 5 5 99 1.50 work\n'), { message: /expected a line/ })
})
