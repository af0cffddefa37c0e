import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { ClusterError } from '../../lib/errors.ts'
import { command } from '../../lib/step/command.ts'
import { makeRun, perform } from './step-run.ts'

const cancelled = new ClusterError('CW_CANCELLED', 'the request was cancelled')

/** Whether a process runs; one that only waits to be collected by its parent does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

t.test('a command is stopped at its timeout, and the error says which', async t => {
  const run = makeRun(t)
  const failure = await perform(
    command('a', { shell: 'echo begun; exec sleep 1000', timeout: '500ms' }),
    run,
  ).then(
    () => t.fail('it succeeded'),
    error => error,
  )
  t.match(failure, {
    code: 'CW_STEP_TIMEOUT',
    message:
      "command 'echo begun; exec sleep 1000' ran longer than its timeout of 500ms and was stopped",
    details: { lastLines: ['begun'] },
  })
  await t.rejects(perform(command('a', { run: ['sleep', 1000], timeout: 1000 }), run), {
    message: "command 'sleep' ran longer than its timeout of 1s and was stopped",
  })
})

t.test('a stopped command may clean up first', async t => {
  const controller = new AbortController()
  const run = makeRun(t, { signal: controller.signal, killGraceMs: 30_000 })
  const startedAt = performance.now()
  const script = `
    process.on('SIGTERM', () => process.stdout.write('cleaned\\n', () => process.exit(0)))
    setInterval(() => {}, 1000)
    process.stdout.write('ready\\n')`
  const result = perform(command('a', { run: [process.execPath, '-e', script] }), run)
  await run.sink.printed(/ready/)
  controller.abort(cancelled)
  await t.rejects(result, cancelled)
  t.match(run.sink.textOf('stdout'), 'cleaned')
  t.ok(performance.now() - startedAt < 20_000, 'it did not wait for the whole grace')
})

t.test('a polite stop sends one SIGTERM', async t => {
  const controller = new AbortController()
  const run = makeRun(t, { signal: controller.signal, killGraceMs: 1000 })
  const script = `
    process.on('SIGTERM', () => process.stdout.write('term\\n'))
    setInterval(() => {}, 1000)
    process.stdout.write('ready\\n')`
  const result = perform(command('a', { run: [process.execPath, '-e', script] }), run)
  await run.sink.printed(/ready/)
  controller.abort(cancelled)
  await t.rejects(result, cancelled)
  t.equal(run.sink.textOf('stdout'), 'ready\nterm\n')
})

t.test('everything that a command started is gone when it was stopped', async t => {
  const controller = new AbortController()
  const run = makeRun(t, { signal: controller.signal, killGraceMs: 300 })
  const stubborn = `trap "" TERM HUP INT; echo pid $$; while :; do sleep 1000; done`
  const shell = `
    trap "" TERM
    (setsid nohup sh -c '${stubborn}' &) &
    (setsid sh -c '(setsid sh -c "$STUBBORN" &)' </dev/null) &
    sh -c "$STUBBORN" &
    env -i sh -c 'trap "" TERM; echo pid $$; while :; do /bin/sleep 1000; done' &
    echo pid $$
    while :; do sleep 1000; done`
  const result = perform(command('a', { shell, env: { STUBBORN: stubborn } }), run)
  await run.sink.printed(/(pid \d+\n[^]*){5}/)
  const pids = [...run.sink.textOf('stdout').matchAll(/pid (\d+)/g)].map(match => Number(match[1]))
  t.equal(pids.length, 5)
  t.ok(pids.every(isAlive), 'all were alive')
  controller.abort(cancelled)
  await t.rejects(result, cancelled)
  t.strictSame(pids.filter(isAlive), [], 'none is left')
})

t.test('a child with an environment of its own is stopped, too', async t => {
  const controller = new AbortController()
  const run = makeRun(t, { signal: controller.signal, killGraceMs: 300 })
  const deaf = 'trap "" TERM; echo pid $$; while :; do /bin/sleep 1000; done'
  const result = perform(command('a', { shell: `env -i sh -c '${deaf}' & exec sleep 1000` }), run)
  const [, pid] = await run.sink.printed(/pid (\d+)\n/)
  controller.abort(cancelled)
  await t.rejects(result, cancelled)
  t.notOk(isAlive(Number(pid)))
})

t.test('a tree that forks without end is stopped', async t => {
  const controller = new AbortController()
  const run = makeRun(t, { signal: controller.signal, killGraceMs: 50 })
  const folder = await run.workFolder()
  const hops = join(folder, 'hops')
  // Each process starts its successor, in a session of its own, and ends. (Should it get away, it ends
  // with the folder.)
  const hop = 'trap "" TERM PIPE; echo hop >> "$HOPS" || exit; setsid sh -c "$HOP" & echo hop'
  const result = perform(command('a', { shell: hop, env: { HOP: hop, HOPS: hops } }), run)
  await run.sink.printed(/(hop\n){3}/)
  controller.abort(cancelled)
  await t.rejects(result, cancelled)
  const { size } = statSync(hops)
  // Meanwhile one that got away would hop on.
  await perform(
    command('work', { shell: 'for i in 1 2 3 4 5 6 7 8 9; do sh -c /bin/true; done' }),
    {
      ...run,
      signal: new AbortController().signal,
      isStopped: false,
    },
  )
  t.equal(statSync(hops).size, size)
})

t.test(
  'a service that a command left behind is stopped when the cancellation comes before the step’s end',
  async t => {
    const controller = new AbortController()
    const run = makeRun(t, { signal: controller.signal, killGraceMs: 300 })
    const shell =
      'setsid sh -c "echo pid \\$\\$; while kill -0 $$ 2>/dev/null; do :; done; echo orphan; exec sleep 1000" &'
    const result = perform(command('a', { shell }), run)
    const [, pid] = await run.sink.printed(/pid (\d+)\n[^]*orphan/)
    controller.abort(cancelled)
    await t.rejects(result, cancelled)
    t.notOk(isAlive(Number(pid)))
  },
)

t.test(
  'a command that exits in time succeeds, however long its service keeps the outputs open',
  async t => {
    const step = command('a', { shell: 'sleep 1000 & echo $!', timeout: '700ms' })
    const { stdout } = await perform(step, makeRun(t))
    t.ok(process.kill(Number(stdout), 'SIGKILL'))
  },
)

t.test('a run that is over already starts nothing', async t => {
  const run = makeRun(t, { signal: AbortSignal.abort(cancelled) })
  await t.rejects(perform(command('a', { run: ['touch', 'started'] }), run), cancelled)
  t.strictSame(readdirSync(await run.workFolder()), [])
})

t.test('a reason that is not ours becomes an error of ours', async t => {
  const run = makeRun(t, { signal: AbortSignal.abort('enough') })
  await t.rejects(perform(command('a', { run: ['true'] }), run), {
    code: 'CW_CANCELLED',
    message: "command 'true' was cancelled",
    cause: 'enough',
  })
})

t.test('steps side by side do not stop each other', async t => {
  const controller = new AbortController()
  const one = makeRun(t, { signal: controller.signal, killGraceMs: 300 })
  const other = makeRun(t)
  const stopped = perform(command('a', { shell: 'echo ready; exec sleep 1000' }), one)
  const finishing = perform(
    command('b', {
      shell: 'echo $$; while [ ! -e go ]; do sleep 0.02; done; echo fine',
    }),
    other,
  )
  await Promise.all([one.sink.printed(/ready/), other.sink.printed(/\d+\n/)])
  controller.abort(cancelled)
  await t.rejects(stopped, cancelled)
  await perform(command('c', { run: ['touch', 'go'] }), other)
  t.match(await finishing, { exitCode: 0, stdout: /fine$/ })
})

t.test(
  'what has nothing of the command but a parent is stopped, also when that ends first',
  async t => {
    const controller = new AbortController()
    const run = makeRun(t, { signal: controller.signal, killGraceMs: 300 })
    const stubborn = `trap "" TERM; echo pid $$; while :; do /bin/sleep 1000; done`
    const shell = `env -i setsid sh -c '${stubborn}' & echo begun; wait`
    const result = perform(command('a', { shell }), run)
    await run.sink.printed(/pid \d+/)
    const pid = Number(/pid (\d+)/.exec(run.sink.textOf('stdout'))?.[1])
    controller.abort(cancelled)
    await t.rejects(result, cancelled)
    t.notOk(isAlive(pid))
  },
)
