import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Cluster, type RequestRecord } from '../../lib/index.ts'
import { makeFolder } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'
import { startServer, type Kill } from './start-server.ts'

async function openStage(t: Test) {
  const { url, pool } = await createDatabase(t)
  const cluster = new Cluster({ pool })
  const folder = await makeFolder(t)
  const ledger = async (): Promise<string[]> =>
    (await readFile(join(folder, 'ledger'), 'utf8')).trimEnd().split('\n')
  return {
    cluster,
    ledger,
    start: (node: string): Promise<Kill> => startServer(t, { url, node }),
    startChanged: (node: string): Promise<Kill> => startServer(t, { url, node, isChanged: true }),
    /** Whatever says so in the ledger goes on for ever. */
    hangAt: (what: string): Promise<void> => writeFile(join(folder, what), ''),
    /** Enqueues a request. */
    begin: async (process: string): Promise<string> =>
      (await cluster.enqueue(process, { folder })).id,
    /** Kills the server as soon as the request's log has this line, and waits until the request has failed. */
    killAt: async (kill: Kill, line: string, id: string): Promise<RequestRecord> => {
      for await (const { text } of cluster.logs(id, { follow: true }))
        if (text.includes(line)) break
      kill()
      return cluster.wait(id)
    },
  }
}

t.setTimeout(120_000)

const lostA = 'the server a was lost while it ran this request (noticed by its guardian)'

t.test('what a killed server had done is undone by another one, once and in order', async t => {
  const { cluster, start, hangAt, begin, killAt, ledger } = await openStage(t)
  await hangAt('switch')
  const a = await start('a')
  const id = await begin('deploy')
  await until(async () => (await cluster.get(id)).state === 'running')
  await start('b')
  const lost = await killAt(a, 'switch shop on a', id)
  t.match(lost, { outcome: 'failed', reason: 'server_lost', compensatedBy: String })

  const ended = await cluster.wait(lost.compensatedBy ?? '')
  t.match(ended, {
    process: 'deploy',
    compensates: id,
    outcome: 'succeeded',
    reason: null,
    node: 'b',
    input: lost.input,
    steps: [
      { phase: 'undo', name: 'copy', state: 'succeeded' },
      { phase: 'undo', name: 'lookup', state: 'succeeded' },
      { phase: 'on_failure', name: 'tell', state: 'succeeded' },
    ],
  })
  const output = JSON.stringify([{ at: new Date(0), name: 'shop' }, id, false])
  t.strictSame(await ledger(), [
    'lookup on a',
    'copy shop on a',
    'switch shop on a',
    'undo-copy shop on b',
    `undo lookup on b: ${output}`,
    `${id} switch: ${lostA}`,
  ])
})

t.test(
  'a compensation whose server is lost as well is gone on with, and nothing is repeated',
  async t => {
    const { cluster, start, hangAt, begin, killAt, ledger } = await openStage(t)
    await hangAt('check')
    await hangAt('undo-copy')
    const a = await start('a')
    const id = await begin('deploy')
    const lost = await killAt(a, 'check shop on a', id)
    const first = lost.compensatedBy ?? ''
    const b = await start('b')
    const lostAgain = await killAt(b, 'undo-copy shop on b', first)
    t.match(lostAgain, {
      outcome: 'failed',
      reason: 'server_lost',
      compensates: id,
      steps: [
        { phase: 'undo', name: 'switch', state: 'succeeded' },
        { phase: 'undo', name: 'copy', state: 'failed', error: { code: 'CW_NODE_LOST' } },
      ],
    })
    await start('c')
    const ended = await cluster.wait(lostAgain.compensatedBy ?? '')
    t.match(ended, {
      compensates: first,
      compensatedBy: null,
      outcome: 'failed',
      reason: 'undo_failed',
      error: {
        code: 'CW_UNDO_FAILED',
        message: `request ${id} is not undone in full; look at what is left of step 'copy'`,
      },
      steps: [
        { phase: 'undo', name: 'lookup', state: 'succeeded' },
        { phase: 'on_failure', name: 'tell', state: 'succeeded' },
      ],
    })
    t.match(await ledger(), [
      'lookup on a',
      'copy shop on a',
      'switch shop on a',
      'check shop on a',
      'undo-switch shop on b',
      'undo-copy shop on b',
      /^undo lookup on c/,
      `${id} check: ${lostA}`,
    ])
    t.equal((await ledger()).length, 8)
  },
)

t.test('a server with another definition undoes nothing, and says why', async t => {
  const { cluster, start, startChanged, hangAt, begin, killAt, ledger } = await openStage(t)
  await hangAt('switch')
  const a = await start('a')
  const lost = await killAt(a, 'switch shop on a', await begin('deploy'))
  await startChanged('b')
  const ended = await cluster.wait(lost.compensatedBy ?? '')
  t.match(ended, {
    outcome: 'failed',
    reason: 'definition_changed',
    error: {
      code: 'CW_DEFINITION_CHANGED',
      message: `nothing was undone: step 2 of the lost run was 'copy', which is 'backup' in version 2 of process 'deploy', which this server has; undo request ${lost.id} by hand`,
    },
    steps: [],
  })
  t.equal((await ledger()).length, 3)
})

t.test(
  'a step that did not finish is undone when it asks for it, and its undo is told',
  async t => {
    const { cluster, start, hangAt, begin, killAt, ledger } = await openStage(t)
    await hangAt('send')
    const a = await start('a')
    const id = await begin('upload')
    await start('b')
    const lost = await killAt(a, 'send  on a', id)
    t.match(await cluster.wait(lost.compensatedBy ?? ''), { outcome: 'succeeded' })
    t.strictSame(await ledger(), ['send  on a', 'undo-send1  on b'])
  },
)

t.test('a process that has nothing to undo is not compensated', async t => {
  const { cluster, start, hangAt, begin, killAt } = await openStage(t)
  await hangAt('watch')
  const a = await start('a')
  const lost = await killAt(a, 'watch  on a', await begin('look'))
  t.match(lost, { reason: 'server_lost', compensatedBy: null })
  t.equal((await cluster.list()).length, 1)
})
