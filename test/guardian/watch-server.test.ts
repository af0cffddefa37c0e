import { PassThrough } from 'node:stream'
import t from 'tap'
import { monotonic } from '../../lib/base/clock.ts'
import type { Charge, Message } from '../../lib/guardian/message.ts'
import { watchServer } from '../../lib/guardian/watch-server.ts'

const charge: Charge = {
  incarnation: '7',
  schema: 'cluster_worker',
  connection: { environment: {} },
  cookie: 'b5b1f2c8-6c0e-4b0a-9f5e-0123456789ab',
  server: { pid: 1, group: 1, session: 1, startTicks: '1', environmentAt: '1' },
  running: ['1', '2'],
  aliveUntil: monotonic() + 1_000_000,
}

function write(pipe: PassThrough, ...messages: (Charge | Message)[]): void {
  for (const message of messages) pipe.write(`${JSON.stringify(message)}\n`)
}

t.test('knows at the end of the pipe what runs, whatever the pieces it came in', async t => {
  const pipe = new PassThrough()
  let acknowledged = 0
  const end = watchServer(pipe, () => acknowledged++)
  const provenUntil = monotonic() + 500_000
  const text = [
    charge,
    { started: ['3', '4'] },
    { finished: ['1', '3'] },
    { aliveUntil: provenUntil },
  ]
    .map(message => `${JSON.stringify(message)}\n`)
    .join('')
  for (const letter of text) pipe.write(letter)
  // The server died in the middle of a line.
  pipe.end('{"finished":["2"')
  t.match(await end, { charge, how: 'gone', running: new Set(['2', '4']), provenUntil })
  t.equal(acknowledged, 2, 'the charge and the proof')
})

t.test('a server that left in good order, or gave no charge, needs nothing', async t => {
  const left = new PassThrough()
  const end = watchServer(left, () => undefined)
  write(left, charge, { leave: true })
  left.end()
  t.equal(await end, undefined)
  const silent = new PassThrough()
  silent.end()
  t.equal(await watchServer(silent, () => undefined), undefined)
})

t.test('a server that lets its time pass is overdue; one that proves again has more', async t => {
  const pipe = new PassThrough()
  const { promise: proved, resolve } = Promise.withResolvers<void>()
  let acknowledged = 0
  const end = watchServer(pipe, () => {
    acknowledged++
    if (acknowledged === 2) resolve()
  })
  write(pipe, { ...charge, aliveUntil: monotonic() + 100 }, { aliveUntil: monotonic() + 1_000_000 })
  await proved
  write(pipe, { aliveUntil: monotonic() + 10 })
  t.match(await end, { how: 'overdue' })
  t.equal(acknowledged, 3)
})

t.test('a pipe that breaks has ended', async t => {
  const pipe = new PassThrough()
  const end = watchServer(pipe, () => pipe.destroy(broken()))
  write(pipe, charge)
  t.match(await end, { how: 'gone' })
})

function broken(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })
}

t.test(
  'a charge without a cookie, or without a server, is refused: they say what is killed',
  async t => {
    for (const wrong of [
      { cookie: '' },
      { cookie: 'x' },
      { server: { ...charge.server, pid: -1 } },
      { server: { ...charge.server, startTicks: '' } },
    ]) {
      const pipe = new PassThrough()
      const end = watchServer(pipe, () => undefined)
      write(pipe, { ...charge, ...wrong })
      pipe.end()
      await t.rejects(end, /expected a charge/, JSON.stringify(wrong))
    }
  },
)

t.test('a proof that is read late holds no longer for that', async t => {
  const pipe = new PassThrough()
  const end = watchServer(pipe, () => undefined)
  write(pipe, charge, { aliveUntil: monotonic() - 1 })
  t.match(await end, { how: 'overdue' })
})
