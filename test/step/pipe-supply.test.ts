import { closeSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { ClusterError } from '../../lib/errors.ts'
import { command } from '../../lib/step/command.ts'
import { PipeSupply, type Pipe } from '../../lib/step/pipe-supply.ts'
import { makePipes, makeRun, perform } from './step-run.ts'

const closeOnExec = 0o2000000

function openFds(): string[] {
  return readdirSync('/proc/self/fd')
}

/** Whether programs that this process starts get the descriptor, too. */
function isInherited(fd: string): boolean {
  try {
    const [, flags = ''] =
      /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? []
    return (Number.parseInt(flags, 8) & closeOnExec) === 0
  } catch {
    return false
  }
}

/** What whoever started this process left open. */
const inherited = openFds().filter(isInherited)

function discard(pipes: readonly Pipe[]): void {
  for (const { output, writeFd } of pipes) {
    output.destroy()
    closeSync(writeFd)
  }
}

t.test('a command opens its outputs by their names', async t => {
  for (const shell of ['sh', 'bash']) {
    const run = makeRun(t)
    const script = `
      echo 1 > /dev/stdout
      echo 2 > /dev/stderr
      echo 3 | tee /dev/stderr
      echo 4 | tee -a /dev/stdout
      echo 5 >> /proc/self/fd/2`
    await perform(command('a', { run: [shell, '-c', script] }), run)
    t.equal(run.sink.textOf('stdout'), '1\n3\n4\n4\n', shell)
    t.equal(run.sink.textOf('stderr'), '2\n3\n5\n', shell)
  }
})

t.test(
  'so does one that became another user',
  { skip: process.getuid?.() === 0 ? false : 'needs root' },
  async t => {
    const run = makeRun(t)
    const script = 'echo out > /dev/stdout; echo err > /dev/stderr'
    const become = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] as const
    await perform(command('a', { run: [...become, 'sh', '-c', script], cwd: '/' }), run)
    t.equal(run.sink.textOf('stdout'), 'out\n')
    t.equal(run.sink.textOf('stderr'), 'err\n')
  },
)

t.test('a command gets no other descriptor of ours', async t => {
  const run = makeRun(t)
  const waits = command('a', { shell: 'echo ready; until [ -e go ]; do sleep 0.01; done' })
  const finished = perform(waits, run)
  await run.sink.printed(/ready/)
  const { stdout } = await perform(command('b', { run: ['ls', '/proc/self/fd'] }), run)
  const fds = stdout.split('\n').filter(fd => Number(fd) > 2 && !inherited.includes(fd))
  t.equal(fds.length, 1, `only the folder that ls reads, got ${fds.join(' ')}`)
  await perform(command('c', { run: ['touch', 'go'] }), run)
  await finished
})

t.test('a process that writes when nobody reads any more is told', async t => {
  const run = makeRun(t)
  await perform(
    command('a', {
      shell: `sh -c 'trap "" PIPE; while echo x; do :; done 2> /dev/null; : > told' &`,
    }),
    run,
  )
  const { exitCode } = await perform(
    command('b', {
      shell: 'until [ -e told ]; do sleep 0.01; done',
    }),
    run,
  )
  t.equal(exitCode, 0)
})

t.test('steps leave no descriptor and no file behind, however they end', async t => {
  const folder = t.testdir()
  // What Node opens once and keeps is open after this.
  await perform(command('first', { run: ['true'] }), makeRun(t, { pipes: makePipes(t) }))
  const before = openFds()
  const pipes = makePipes(t, [folder])
  const run = makeRun(t, { pipes })
  const reason = new ClusterError('CW_CANCELLED', 'enough')
  const stopped = { ...run, signal: AbortSignal.abort(reason), isStopped: true }
  const prints = command('a', { shell: 'echo 1; echo 2 >&2' })
  const fails = command('b', { run: ['/no/such/program'] })
  const keeps = command('c', { shell: 'sleep 1000 & echo $!' })
  const one = async (index: number) => {
    if (index % 4 > 0) return perform(prints, run)
    if (index % 8 > 0) return t.rejects(perform(fails, run), { code: 'CW_STEP_FAILED' })
    return t.rejects(perform(prints, stopped), { code: 'CW_CANCELLED' })
  }
  let next = 0
  const lane = async () => {
    while (next < 200) await one(next++)
  }
  await Promise.all(Array.from({ length: 8 }, lane))
  t.equal(run.sink.textOf('stdout'), '1\n'.repeat(150))
  t.equal(run.sink.textOf('stderr'), '2\n'.repeat(150))
  t.ok(process.kill(Number((await perform(keeps, run)).stdout), 'SIGKILL'))
  await pipes.close()
  t.strictSame(openFds(), before)
  t.strictSame(readdirSync(folder), [])
})

t.test('what is stopped while its pipes are made is not started', async t => {
  const controller = new AbortController()
  const run = makeRun(t, { signal: controller.signal })
  const result = perform(command('a', { run: ['touch', 'started'] }), run)
  await nextTurn()
  controller.abort(new ClusterError('CW_CANCELLED', 'enough'))
  await t.rejects(result, { code: 'CW_CANCELLED' })
  t.strictSame(readdirSync(await run.workFolder()), [])
})

t.test('pipes that no program got are closed at once', async t => {
  const run = makeRun(t)
  const step = command('a', { run: ['true'] })
  await perform(step, run)
  const before = openFds().length
  const reason = new ClusterError('CW_CANCELLED', 'enough')
  await t.rejects(
    perform(step, { ...run, signal: AbortSignal.abort(reason), isStopped: true }),
    reason,
  )
  t.equal(openFds().length, before - 4, 'both ends of both pipes')
})

t.test('many at once get pipes of their own', async t => {
  const pipes = makePipes(t)
  const taken = await Promise.all(Array.from({ length: 60 }, () => pipes.take()))
  const all = taken.flat()
  t.equal(all.length, 120)
  t.equal(new Set(all.map(({ writeFd }) => writeFd)).size, 120)
  discard(all.slice(1))
  const [{ output, writeFd }] = all as [Pipe]
  closeSync(writeFd)
  t.equal(await text(output), '', 'it ends when the program has closed it')
})

t.test('a supply that closes leaves nothing, also while it makes pipes', async t => {
  const folder = t.testdir()
  const before = openFds()
  const pipes = makePipes(t, [folder])
  const taking = pipes.take()
  await pipes.close()
  t.strictSame(await taking, [])
  t.strictSame(await pipes.take(), [])
  t.strictSame(openFds(), before)
  t.strictSame(readdirSync(folder), [])
})

t.test('without a place for pipes commands run as well, and it is told once', async t => {
  const folder = t.testdir()
  const failures: ClusterError[] = []
  const pipes = new PipeSupply({ places: [folder], onFailure: error => failures.push(error) })
  t.teardown(() => pipes.close())
  const run = makeRun(t, { pipes })
  rmSync(folder, { recursive: true })
  for (const word of ['one', 'two'])
    await perform(command('a', { shell: `echo ${word}; echo ${word} >&2`, cwd: '/' }), run)
  t.equal(run.sink.textOf('stdout'), 'one\ntwo\n')
  t.equal(run.sink.textOf('stderr'), 'one\ntwo\n')
  t.equal(failures.length, 1)
  t.match(failures[0], {
    code: 'CW_CONFIG',
    message: /^expected mkfifo to make pipes, got ENOENT: no such file or directory, mkdtemp /,
  })
})

t.test('the next place is tried, and the error names what each of them lacks', async t => {
  const folder = t.testdir()
  const pipes = makePipes(t, ['/no/such/place', folder])
  const taken = await pipes.take()
  t.equal(taken.length, 2)
  discard(taken)

  const failures: ClusterError[] = []
  const poor = new PipeSupply({
    places: ['/no/such/place', folder],
    onFailure: error => failures.push(error),
  })
  const { PATH } = process.env
  process.env['PATH'] = '/nowhere'
  t.teardown(() => (process.env['PATH'] = PATH))
  t.strictSame(await poor.take(), [])
  t.match(failures[0]?.message, /got ENOENT: .*, mkdtemp '\/no\/.* and spawn mkfifo ENOENT; /)
  t.strictSame(readdirSync(folder), [])
  process.env['PATH'] = PATH
  const later = await poor.take()
  t.equal(later.length, 2, 'it is tried again')
  discard(later)
  await poor.close()
})
