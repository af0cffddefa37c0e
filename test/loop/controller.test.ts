import t from 'tap'
import type { Control, ControlSuspension } from '../../lib/db/node-control.ts'
import { Controller } from '../../lib/loop/controller.ts'

/** A controller whose database and runs are this state; what it does is written down, in order. */
function openController() {
  const state = {
    control: { control: '1', seen: '1', accepting: true, suspensions: [] } as Control,
    runs: { active: 0, starting: 0 },
    settles: async (): Promise<void> => undefined,
  }
  const done: string[] = []
  const note = (what: string) => async (): Promise<void> => void done.push(what)
  const controller = new Controller({
    node: 'a',
    readControl: async () => state.control,
    acknowledge: async control => void done.push(`acknowledge ${control}`),
    clear: async ids => void done.push(`clear ${ids.join()}`),
    markDrained: note('mark drained'),
    settle: async () => {
      await state.settles()
      done.push('settle')
    },
    countRuns: () => state.runs,
    stopRuns: ({ message }) => void done.push(`stop: ${message}`),
    wakeClaims: () => void done.push('claim'),
    onSuspended: reasons => void done.push(`suspended: ${reasons.map(({ kind }) => kind).join()}`),
    onResumed: () => void done.push('resumed'),
    onDrained: ({ thenExit }) => void done.push(thenExit ? 'exit' : 'drained'),
  })
  const suspend = (...suspensions: ControlSuspension[]): void => {
    state.control = { control: '2', seen: '1', accepting: suspensions.length === 0, suspensions }
  }
  return { controller, state, suspend, take: () => done.splice(0) }
}

const reason = (about: Partial<ControlSuspension> = {}): ControlSuspension => ({
  id: '7',
  kind: 'operator',
  reason: '',
  who: 'ada',
  atOnce: false,
  thenExit: false,
  endsInMs: null,
  deadlineInMs: null,
  isDrained: false,
  ...about,
})

t.test('a server claims nothing before it has read that it may', async t => {
  const { controller, take } = openController()
  t.ok(controller.isSuspended)
  t.equal(await controller.pass(), 'when woken')
  t.notOk(controller.isSuspended)
  t.same(take(), ['claim'])
})

t.test('it acknowledges when all that it had claimed has begun, and not before', async t => {
  const { controller, state, suspend, take } = openController()
  await controller.pass()
  take()
  suspend(reason())
  state.settles = () => Promise.reject(new Error('the database is away'))
  await t.rejects(controller.pass(), { message: 'the database is away' })
  t.ok(controller.isSuspended)
  t.same(take(), ['suspended: operator'])
  state.settles = async () => void (state.runs = { active: 2, starting: 1 })
  await controller.pass()
  t.same(take(), ['settle'], 'a claim whose answer was lost had taken something')
  state.settles = async () => undefined
  state.runs = { active: 2, starting: 0 }
  await controller.pass()
  t.same(take(), ['settle', 'acknowledge 2'])
  suspend()
  await controller.pass()
  t.same(take(), ['claim', 'resumed', 'acknowledge 2'])
})

t.test('suspended at once, it acknowledges when nothing runs any more', async t => {
  const { controller, state, suspend, take } = openController()
  suspend(reason({ atOnce: true }))
  state.runs = { active: 1, starting: 0 }
  await controller.pass()
  t.match(take(), ['suspended: operator', 'settle', /^stop: .* because ada suspended it at once$/])
  state.runs = { active: 0, starting: 0 }
  await controller.pass()
  t.same(take(), ['settle', 'acknowledge 2'])
})

t.test('a drain stops what runs at its deadline, and ends when nothing does', async t => {
  const { controller, state, suspend, take } = openController()
  state.runs = { active: 1, starting: 0 }
  suspend(reason({ kind: 'drain', deadlineInMs: 5000 }))
  t.equal(await controller.pass(), 5000)
  t.same(take(), ['suspended: drain', 'settle', 'acknowledge 2'])
  suspend(reason({ kind: 'drain', deadlineInMs: 0, thenExit: true }))
  await controller.pass()
  t.match(take(), ['settle', /^stop: .*the drain that ada asked for was over$/, 'acknowledge 2'])
  state.runs = { active: 0, starting: 0 }
  await controller.pass()
  await controller.pass()
  t.same(
    take().filter(what => what !== 'settle' && what !== 'acknowledge 2'),
    ['mark drained', 'exit', 'mark drained', 'exit'],
    'again and again, until the database says that it has drained',
  )
  suspend(reason({ kind: 'drain', isDrained: true, thenExit: true }))
  await controller.pass()
  t.notMatch(take(), ['exit'])
})

t.test('what has come to its end is cleared, and read anew at once', async t => {
  const { controller, suspend, take } = openController()
  suspend(reason({ endsInMs: -1 }), reason({ id: '8' }))
  t.equal(await controller.pass(), 0)
  t.same(take(), ['clear 7'])
})
