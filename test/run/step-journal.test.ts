import t from 'tap'
import type { StepRecord } from '../../lib/base/record.ts'
import { StepJournal, type StepPlace } from '../../lib/run/step-journal.ts'

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
  const journal = new StepJournal(
    write,
    () => 5,
    () => undefined,
  )
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
    const beginning = journal.begin({ ...place, ...about }).then(end => {
      hasBegun = true
      return end
    })
    await new Promise(setImmediate)
    t.equal(hasBegun, false)
    t.match(written, [{ ...about, name: 'one', state: 'running', startedMs: 5, finishedMs: null }])
    makeDurable()
    const end = await beginning
    await end({ state: 'succeeded' })
    t.match(written, [{ state: 'running' }, { ...about, state: 'succeeded', finishedMs: 5 }])
  })

t.test('any other step begins at once, and a quick one is recorded once', async t => {
  const { journal, written, makeDurable } = openJournal()
  const end = await journal.begin(place)
  makeDurable()
  await end({ state: 'succeeded' })
  t.match(written, [{ state: 'succeeded' }])
  t.equal(written.length, 1)
})
