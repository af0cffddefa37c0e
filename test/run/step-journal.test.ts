import t from 'tap'
import type { StepRecord } from '../../lib/base/record.ts'
import { StepJournal, type StepPlace } from '../../lib/run/step-journal.ts'
import { until } from '../support/until.ts'

const place: StepPlace = {
  requestId: '1',
  phase: 'step',
  position: 0,
  name: 'one',
  kind: 'function',
  undoOnce: null,
}

/** A journal whose writes end when the test says so. */
function openJournal() {
  const written: StepRecord[] = []
  const { promise: durable, resolve: makeDurable } = Promise.withResolvers<void>()
  const write = (record: StepRecord): Promise<void> => {
    written.push(record)
    return durable
  }
  const journal = new StepJournal({
    writeStep: write,
    sinceClaim: () => 5,
    tellTrouble: () => undefined,
  })
  return { journal, written, makeDurable }
}

const others: Record<string, Partial<StepPlace>> = {
  'a step with an undo': { undoOnce: 'finished' },
  'a step whose undo is for unfinished ones too': { undoOnce: 'begun' },
  'an undo': { phase: 'undo' },
  'an on-failure step': { phase: 'on_failure' },
}

for (const [what, about] of Object.entries(others))
  t.test(`${what} begins when it is durable that it does`, async t => {
    const { journal, written, makeDurable } = openJournal()
    let hasBegun = false
    const beginning = Promise.resolve(journal.begin({ ...place, ...about })).then(begun => {
      hasBegun = true
      return begun
    })
    await new Promise(setImmediate)
    t.equal(hasBegun, false)
    t.match(written, [{ ...about, name: 'one', state: 'running', startedMs: 5, finishedMs: null }])
    makeDurable()
    const step = await beginning
    await step.end({ state: 'succeeded' })
    t.match(written, [{ state: 'running' }, { ...about, state: 'succeeded', finishedMs: 5 }])
  })

t.test(
  'any other step begins at once, and the record of a quick one is held for the ending',
  async t => {
    const { journal, written } = openJournal()
    const step = await journal.begin(place)
    await step.end({ state: 'succeeded' })
    t.same(written, [])
    t.match(journal.takeHeld(), { name: 'one', state: 'succeeded', startedMs: 5, finishedMs: 5 })
    t.equal(journal.takeHeld(), undefined)
  },
)

t.test('what is held is durable before the next step begins, and written once', async t => {
  const { journal, written, makeDurable } = openJournal()
  const step = await journal.begin(place)
  await step.end({ state: 'succeeded' })
  let hasBegun = false
  const beginning = Promise.resolve(journal.begin({ ...place, position: 1, name: 'two' })).then(
    next => {
      hasBegun = true
      return next
    },
  )
  await new Promise(setImmediate)
  t.match(written, [{ name: 'one', state: 'succeeded' }])
  t.equal(hasBegun, false)
  makeDurable()
  await (await beginning).end({ state: 'succeeded' })
  t.match(journal.takeHeld(), { name: 'two' })
  t.equal(written.length, 1)
})

t.test('what is held is written before a step is skipped', async t => {
  const { journal, written, makeDurable } = openJournal()
  const step = await journal.begin(place)
  makeDurable()
  await step.end({ state: 'failed' })
  await journal.skip({ ...place, position: 1, name: 'two' })
  t.match(written, [
    { name: 'one', state: 'failed' },
    { name: 'two', state: 'skipped' },
  ])
  t.equal(journal.takeHeld(), undefined)
})

t.test('the end of a step that was seen running is written, and not held', async t => {
  const { journal, written, makeDurable } = openJournal()
  makeDurable()
  const step = await journal.begin(place)
  step.goesOn()
  await until(async () => written.length === 1)
  await step.end({ state: 'succeeded' })
  t.match(written, [{ state: 'running' }, { state: 'succeeded' }])
  t.equal(journal.takeHeld(), undefined)
})
