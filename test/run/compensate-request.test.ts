import t from 'tap'
import type { Test } from 'tap'
import { z } from 'zod'
import type { Ending, LostRun, RecordedStep, StepRecord } from '../../lib/base/record.ts'
import { call, defineProcess, type Process } from '../../lib/index.ts'
import { Runner } from '../../lib/run/runner.ts'
import { makePipes } from '../step/step-run.ts'
import { noArtifacts } from '../support/no-artifacts.ts'

/** Runs a compensation. @returns how it ended, what it recorded at the ends of its steps, and what the steps said */
async function compensate(
  t: Test,
  process: Process,
  steps: readonly Partial<RecordedStep>[],
  input: unknown = {},
) {
  const records: StepRecord[] = []
  const said: string[] = []
  let ending: Ending | undefined
  const runner = new Runner({
    node: 'b',
    concurrency: 1,
    runsFolder: t.testdir(),
    killGraceMs: 10,
    outputLimit: 1000,
    pipes: makePipes(t),
    artifacts: noArtifacts,
    environment: {},
    writeStep: async record => void (record.state === 'running' || records.push(record)),
    appendLog: async ({ parts }) => void said.push(parts.join('').trimEnd()),
    finish: async run => {
      ending = run
      return true
    },
    onSlotFree: () => undefined,
    onTrouble: error => t.fail(String(error)),
  })
  const lost: LostRun = { requestId: '7', error: 'the server a was lost', steps: steps.map(record) }
  runner.start({ id: '8', input, lost }, process, 'token')
  // Asked for while it runs, which stops no undo.
  runner.cancel('8')
  await runner.drain()
  const message = ending?.error && (JSON.parse(ending.error) as { message: string }).message
  return {
    ...ending,
    message,
    said,
    did: records.map(({ phase, name, state }) => `${phase} ${name}: ${state}`),
  }
}

function record(about: Partial<RecordedStep>, position: number): RecordedStep {
  return {
    phase: 'step',
    position,
    name: 'abcd'[position] ?? '',
    state: 'succeeded',
    undoOnce: 'finished',
    error: null,
    output: null,
    ...about,
  }
}

const step = (name: string) => call(name, () => name, { undo: c => c.log(`undo ${name}`) })

const process = defineProcess({
  name: 'p',
  version: '2',
  input: z.object({ count: z.number().default(3) }),
  steps: [step('a'), step('b'), call('c', () => 1)],
  onFailure: [call('tell', c => c.log(`told of ${c.compensates}, ${JSON.stringify(c.input)}`))],
})

t.test('undoes what finished, last first, and then tells', async t => {
  const c = { undoOnce: null, state: 'failed', error: 'broken' } as const
  const answer = await compensate(t, process, [{}, {}, c])
  t.match(answer, { outcome: 'succeeded', reason: null, result: null })
  t.same(answer.did, ['undo b: succeeded', 'undo a: succeeded', 'on_failure tell: succeeded'])
  t.match(answer.said, ['undo b', 'undo a', 'told of 7, {"count":3}'])
})

t.test('an undo that fails does not keep the others from running', async t => {
  const stuck = call('b', () => 1, {
    undo: () => {
      throw new Error('stuck')
    },
  })
  const broken = defineProcess({ ...definitionOf(process), steps: [step('a'), stuck, step('c')] })
  const answer = await compensate(t, broken, [{}, {}])
  t.same(answer.did, ['undo b: failed', 'undo a: succeeded', 'on_failure tell: succeeded'])
  t.match(answer, {
    outcome: 'failed',
    reason: 'undo_failed',
    message:
      "request 7 is not undone in full; look at what is left of step 'b': undo of function 'b' failed: stuck",
  })
})

t.test('what was begun before is not begun again', async t => {
  const answer = await compensate(t, process, [
    {},
    {},
    {
      phase: 'undo',
      position: 1,
      name: 'b',
      state: 'failed',
      error: 'server lost',
      undoOnce: null,
    },
    { phase: 'on_failure', position: 0, name: 'tell', undoOnce: null },
  ])
  t.same(answer.did, ['undo a: succeeded'])
  t.match(answer, {
    outcome: 'failed',
    reason: 'undo_failed',
    message: /left of step 'b', which was begun before: server lost$/,
  })
})

t.test('the definition that ran decides what is undone', async t => {
  const unfinished = defineProcess({
    name: 'p',
    steps: [
      step('a'),
      call('b', () => 1, { undo: c => c.log(`undo b: ${c.isUnfinished}`), undoUnfinished: true }),
      step('c'),
    ],
  })
  const had = await compensate(t, unfinished, [
    { undoOnce: null },
    { undoOnce: 'finished', state: 'failed' },
    { undoOnce: 'begun', state: 'failed' },
  ])
  t.same(had.did, ['undo c: succeeded'])
  const told = await compensate(t, unfinished, [{}, { undoOnce: 'begun', state: 'failed' }])
  t.same(told.said, ['undo b: true', 'undo a'])
})

const changes: Record<string, [Partial<RecordedStep>[], RegExp]> = {
  'another name': [
    [{}, { name: 'x' }],
    /: step 2 of the lost run was 'x', which is 'b' in version 2/,
  ],
  'no such step': [
    [{}, {}, { undoOnce: null }, {}],
    /: step 4 of the lost run was 'd', which is missing in/,
  ],
  'no undo': [[{}, {}, {}], /: step 3 of the lost run was 'c', which has no undo in/],
  'another on-failure step': [
    [{}, { phase: 'on_failure', position: 0, name: 'x' }],
    /: on-failure step 1 of the lost run was 'x', which is 'tell' in/,
  ],
}

for (const [what, [steps, message]] of Object.entries(changes))
  t.test(`a definition that changed runs nothing: ${what}`, async t => {
    const answer = await compensate(t, process, steps)
    t.same(answer.did, [])
    t.match(answer, { outcome: 'failed', reason: 'definition_changed', message })
  })

t.test('an input that this version does not take runs nothing', async t => {
  const answer = await compensate(t, process, [{}], { count: 'many' })
  t.same(answer.did, [])
  t.match(answer, { outcome: 'failed', reason: 'input_invalid' })
})

function definitionOf({ name, version, steps, onFailure }: Process) {
  return { name, version, steps, onFailure }
}
