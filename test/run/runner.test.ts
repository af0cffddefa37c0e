import { existsSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { ClusterError } from '../../lib/errors.ts'
import { call, defineProcess } from '../../lib/index.ts'
import { Runner } from '../../lib/run/runner.ts'
import { makePipes } from '../step/step-run.ts'
import { noArtifacts } from '../support/no-artifacts.ts'

function makeRunner(t: Parameters<typeof makePipes>[0]) {
  const finished: { id: string; outcome: string }[] = []
  const lastSteps: (string | undefined)[] = []
  const written: string[] = []
  const troubles: string[] = []
  let refusals = 0
  const runner = new Runner({
    node: 'a',
    concurrency: 2,
    runsFolder: t.testdir(),
    killGraceMs: 10,
    outputLimit: 1000,
    pipes: makePipes(t),
    artifacts: noArtifacts,
    environment: {},
    writeStep: async ({ name }) => {
      written.push(name)
      throw new Error('this record cannot be written')
    },
    appendLog: async () => undefined,
    async finish({ id, outcome, result, lastStep }) {
      lastSteps.push(lastStep?.name)
      if (result === '"refuse me"' && refusals++ === 0) throw new Error('this result is refused')
      finished.push({ id, outcome })
      return true
    },
    onSlotFree: () => undefined,
    onTrouble: error => troubles.push(error instanceof Error ? error.message : String(error)),
  })
  return { runner, finished, lastSteps, written, troubles }
}

t.test('what is claimed after the server gave up is not started', async t => {
  const { runner, finished } = makeRunner(t)
  let started = 0
  const process = defineProcess({ name: 'p', steps: [call('one', () => void started++)] })
  runner.abandonAll(new ClusterError('CW_NODE_LOST', 'given up'))
  runner.start({ id: '1', input: {} }, process, 'token')
  await runner.drain()
  t.equal(started, 0)
  t.equal(runner.activeCount, 0)
  t.same(finished, [])
})

t.test('what is claimed takes its slot at once, and begins with the next turn', async t => {
  const { runner, finished } = makeRunner(t)
  let started = 0
  const process = defineProcess({ name: 'p', steps: [call('one', () => void started++)] })
  runner.start({ id: '1', input: {} }, process, 'token')
  await Promise.resolve()
  t.equal(runner.freeSlots, 1)
  t.equal(started, 0, 'the next claim goes first')
  await runner.drain()
  t.equal(started, 1)
  t.same(finished, [{ id: '1', outcome: 'succeeded' }])
})

t.test('a record that cannot be written keeps no undo from running', async t => {
  const { runner, finished, troubles } = makeRunner(t)
  const undone: string[] = []
  const process = defineProcess({
    name: 'p',
    steps: [
      call('one', () => 1, { undo: () => undone.push('one') }),
      call('two', () => {
        throw new Error('no')
      }),
    ],
  })
  runner.start({ id: '1', input: {} }, process, 'token')
  await runner.drain()
  t.same(undone, ['one'])
  t.same(finished, [{ id: '1', outcome: 'failed' }])
  t.ok(troubles.includes('this record cannot be written'))
})

t.test('an ending that is refused for good becomes a failure', async t => {
  const { runner, finished, lastSteps, written, troubles } = makeRunner(t)
  const process = defineProcess({ name: 'p', steps: [call('one', () => 'refuse me')] })
  runner.start({ id: '1', input: {} }, process, 'token')
  await runner.drain()
  t.same(finished, [{ id: '1', outcome: 'failed' }])
  t.ok(troubles.includes('this result is refused'))
  t.same(written, ['one'], 'its last step is written without it')
  t.same(lastSteps, ['one', undefined])
})

t.test(
  'the record of the last step goes with the ending, that of each other one before',
  async t => {
    const { runner, lastSteps, written } = makeRunner(t)
    const process = defineProcess({
      name: 'p',
      steps: [call('one', () => 1), call('two', () => 2)],
    })
    runner.start({ id: '1', input: {} }, process, 'token')
    await runner.drain()
    t.same(written, ['one'])
    t.same(lastSteps, ['two'])
  },
)

t.test('the run has a folder only when a step asks for it, and leaves none', async t => {
  const { runner, finished, troubles } = makeRunner(t)
  const folders: string[] = []
  const process = defineProcess({
    name: 'p',
    steps: [
      call('one', async ({ workFolder }) => {
        folders.push(await workFolder())
        writeFileSync(`${folders[0]}/left.txt`, 'left')
      }),
    ],
  })
  runner.start({ id: '1', input: {} }, process, 'token')
  await runner.drain()
  t.match(finished, [{ outcome: 'succeeded' }])
  // On a slow machine the step is shown as running, which cannot be written here.
  t.same(
    troubles.filter(trouble => trouble !== 'this record cannot be written'),
    [],
  )
  t.notOk(existsSync(folders[0] ?? ''))
})
