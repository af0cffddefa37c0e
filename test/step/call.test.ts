import { performance } from 'node:perf_hooks'
import t from 'tap'
import { ClusterError } from '../../lib/errors.ts'
import { call } from '../../lib/step/call.ts'
import type { StepContext } from '../../lib/step/step.ts'
import { makeRun, perform } from './step-run.ts'

const cancelled = new ClusterError('CW_CANCELLED', 'the request was cancelled')

t.test('a function receives the context and its result is the step’s', async t => {
  const run = makeRun(t, { input: { n: 20 } })
  const step = call('double', (context: StepContext<{ n: number }>) => {
    context.log(`request ${context.requestId}`)
    return { twice: 2 * context.input.n, token: context.token }
  })
  t.strictSame(await perform(step, run), { twice: 40, token: 'token-1' })
  t.equal(run.sink.textOf('log'), 'request 1\n')
  t.match(
    { ...step, name: step.name },
    { name: 'double', kind: 'function', timeoutMs: undefined, undo: undefined },
  )
})

t.test('a function sees nothing of the server’s side of the run', async t => {
  const keys = await perform(
    call('a', context => Object.keys(context)),
    makeRun(t),
  )
  t.notOk(keys.includes('sink') || keys.includes('environment') || keys.includes('killGraceMs'))
})

t.test('whatever is thrown becomes an error that can be stored', async t => {
  const fails = async (thrown: unknown, message: string) => {
    const step = call('a', () => {
      throw thrown
    })
    const failure = await perform(step, makeRun(t)).then(
      () => t.fail('it succeeded'),
      error => error,
    )
    t.match(failure, { code: 'CW_STEP_FAILED', message: `function 'a' failed: ${message}` })
    t.ok(failure instanceof ClusterError)
    t.equal(failure.cause ?? thrown, thrown)
  }
  await fails(new Error('boom'), 'boom')
  await fails(new TypeError(''), 'TypeError')
  await fails('just text', 'just text')
  await fails('a\0b\ud800', 'a\u2400b\uFFFD')
  await fails(null, 'a value that is not an Error was thrown: null')
  await fails({ a: 'x\0' }, String.raw`a value that is not an Error was thrown: {"a":"x\u0000"}`)
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  await fails(cycle, 'a value that is not an Error was thrown: object')
  await t.rejects(
    perform(
      call('a', async () => Promise.reject(new Error('later'))),
      makeRun(t),
    ),
    {
      message: "function 'a' failed: later",
    },
  )
})

const throwing = (error: unknown) =>
  call('throws', () => {
    throw error
  })

t.test('an error of ours passes as it is, unless it would be taken for one of the run', async t => {
  const own = new ClusterError('CW_UNKNOWN_PROCESS', 'no such process', { field: 'process' })
  t.equal(await perform(throwing(own), makeRun(t)).catch((error: unknown) => error), own)
  // Of another request, which the function may have enqueued or waited for.
  for (const code of ['CW_INPUT_INVALID', 'CW_CANCELLED', 'CW_STOPPED'] as const) {
    const foreign = new ClusterError(code, 'of another request')
    await t.rejects(perform(throwing(foreign), makeRun(t, {})), {
      code: 'CW_STEP_FAILED',
      message: /of another request/,
      cause: foreign,
    })
  }
})

t.test('at its timeout a function is asked to stop', async t => {
  const run = makeRun(t)
  let reason: unknown
  const step = call('wait', ({ signal }) => settleOnAbort(signal, () => (reason = signal.reason)), {
    timeout: 50,
  })
  const failure = await perform(step, run).catch((error: unknown) => error)
  t.match(failure, {
    code: 'CW_STEP_TIMEOUT',
    message: "function 'wait' ran longer than its timeout of 50ms and was stopped",
  })
  t.equal(reason, failure, 'the function sees the same reason')
  t.equal(run.sink.textOf('system'), '', 'it settled, so nothing is said')
})

t.test('a cancelled function is asked to stop, and how it then ends does not matter', async t => {
  for (const end of ['resolve', 'reject'] as const) {
    const controller = new AbortController()
    const run = makeRun(t, { signal: controller.signal })
    const step = call('wait', async context => {
      context.log('ready')
      await settleOnAbort(context.signal)
      if (end === 'reject') throw new Error('interrupted')
    })
    const result = perform(step, run)
    await run.sink.printed(/ready/, 'log')
    controller.abort(cancelled)
    t.equal(await result.catch((error: unknown) => error), cancelled, end)
  }
})

t.test('a function that does not stop is left behind, and may still reject', async t => {
  const run = makeRun(t, { killGraceMs: 50 })
  const { promise, reject } = Promise.withResolvers<void>()
  await t.rejects(
    perform(
      call('deaf', () => promise, { timeout: 20 }),
      run,
    ),
    {
      code: 'CW_STEP_TIMEOUT',
    },
  )
  t.equal(
    run.sink.textOf('system'),
    "[function 'deaf' did not end when it was stopped, and is left behind]\n",
  )
  reject(new Error('too late'))
  await t.rejects(promise, 'the late rejection disturbs nobody')
})

t.test(
  'a function that blocks the event loop beyond its timeout is noticed afterwards',
  async t => {
    await t.rejects(perform(call('block', block, { timeout: 20 }), makeRun(t)), {
      code: 'CW_STEP_TIMEOUT',
    })
    t.equal(await perform(call('block', block, { timeout: '1m' }), makeRun(t)), 'done')
  },
)

t.test('a run that is over already calls nothing', async t => {
  const run = makeRun(t, { signal: AbortSignal.abort(cancelled) })
  await t.rejects(
    perform(
      call('a', () => t.fail('it was called')),
      run,
    ),
    cancelled,
  )
})

t.test('many functions in a row leave nothing on the run’s signal', async t => {
  const { signal } = new AbortController()
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1
    remove(...args)
  }
  for (let i = 0; i < 20; i++)
    await perform(
      call('a', () => i, { timeout: '1h' }),
      makeRun(t, { signal }),
    )
  t.equal(listeners, 0)
})

t.test('undo gets the context, and its failure rejects', async t => {
  const undone: unknown[] = []
  const step = call('a', () => 1, { undo: ({ input }) => void undone.push(input) })
  await step.undo?.(makeRun(t, { input: 'x' }))
  t.strictSame(undone, ['x'])
  const failing = call('a', () => 1, { undo: async () => Promise.reject(new Error('stuck')) })
  await t.rejects(failing.undo?.(makeRun(t)) ?? Promise.resolve(), {
    code: 'CW_STEP_FAILED',
    message: "undo of function 'a' failed: stuck",
  })
  const hanging = call('a', () => 1, { timeout: 20, undo: () => new Promise(() => {}) })
  await t.rejects(hanging.undo?.(makeRun(t, { killGraceMs: 20 })) ?? Promise.resolve(), {
    code: 'CW_STEP_TIMEOUT',
  })
})

t.test('a wrong definition is refused, and the field is named', t => {
  const wrong: [string, unknown[]][] = [
    ['name', ['', fn]],
    ['fn', ['a']],
    ['fn', ['a', 'fn']],
    ['', ['a', fn, null]],
    ['timeout', ['a', fn, { timeout: 'soon' }]],
    ['undo', ['a', fn, { undo: 'rm' }]],
    ['undoUnfinished', ['a', fn, { undoUnfinished: true }]],
    ['retries', ['a', fn, { retries: 3 }]],
  ]
  for (const [field, args] of wrong)
    t.throws(define(...args), { code: 'CW_DEFINITION', field }, field)
  t.end()
})

t.test('the fingerprint follows the definition', t => {
  const prints = [
    call('a', () => 1),
    call('a', () => 2),
    call('b', () => 1),
    call('a', () => 1, { timeout: 1 }),
    call('a', () => 1, { undo: () => 1 }),
    call('a', () => 1, { undo: () => 1, undoUnfinished: true }),
  ].map(step => step.fingerprint)
  t.equal(new Set(prints).size, prints.length)
  t.equal(
    call('a', () => 1, { timeout: '60s' }).fingerprint,
    call('a', () => 1, { timeout: '1m' }).fingerprint,
  )
  t.end()
})

function settleOnAbort(signal: AbortSignal, then: () => void = () => {}): Promise<void> {
  return new Promise(resolve => {
    signal.addEventListener('abort', () => {
      then()
      resolve()
    })
  })
}

function block(): string {
  const until = performance.now() + 60
  while (performance.now() < until);
  return 'done'
}

/** Defines a function step as a program without a compiler would. */
function define(...args: unknown[]): () => unknown {
  return () => Reflect.apply(call, undefined, args)
}

function fn(): number {
  return 1
}
