import { chmodSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { array, assert, asyncProperty, string } from 'fast-check'
import t from 'tap'
import { command } from '../../lib/step/command.ts'
import { makeRun, perform } from './step-run.ts'

const { execPath } = process

/** What the test runner adds to every process that a test starts. */
const ofTestRunner = /^(_TAPJS_|NODE_OPTIONS=.*@tapjs)/

function explode(): never {
  throw new Error('no host')
}

t.test('a command succeeds, its output goes to the log and its end to the next steps', async t => {
  const run = makeRun(t)
  const result = await perform(
    command('a', {
      shell: 'echo one; echo two >&2; printf "three\n\n"',
    }),
    run,
  )
  t.strictSame(result, { exitCode: 0, stdout: 'one\nthree\n' })
  t.equal(run.sink.textOf('stdout'), 'one\nthree\n\n')
  t.equal(run.sink.textOf('stderr'), 'two\n')
})

t.test('a program receives its arguments byte for byte', async t => {
  const text = string({ unit: 'binary', maxLength: 40 }).filter(
    s => !s.includes('\0') && s.isWellFormed(),
  )
  const script = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
  await assert(
    asyncProperty(array(text, { maxLength: 8 }), async args => {
      const step = command<string[]>('a', {
        run: [
          execPath,
          '-e',
          script,
          '--',
          ...args.map(
            (_, index) =>
              ({ input }: { input: string[] }) =>
                input[index] ?? '',
          ),
        ],
      })
      const { stdout } = await perform(step, makeRun(t, { input: args }))
      t.strictSame(JSON.parse(stdout), args)
    }),
    {
      numRuns: 20,
      examples: [
        [['$(id)', '; rm -rf /', '`id`', '"', "'", '\\', '\n', '', '*', '--x', '$HOME', 'é☃𝄞']],
      ],
    },
  )
})

t.test('input reaches a shell by the environment, and is never part of the script', async t => {
  const input = { text: '"; echo broken; \'$(echo broken)`echo broken`' }
  const step = command<typeof input>('a', {
    shell: 'printf %s "$TEXT"',
    env: { TEXT: c => c.input.text },
  })
  t.equal((await perform(step, makeRun(t, { input }))).stdout, input.text)
})

t.test(
  'a program sees the run’s environment, the definition’s, its cookie, and nothing of the server',
  async t => {
    process.env['SECRET_OF_THE_SERVER'] = 'secret'
    t.teardown(() => delete process.env['SECRET_OF_THE_SERVER'])
    const run = makeRun(t, { input: { n: 2 }, environment: { PATH: '/usr/bin:/bin', BOTH: 'run' } })
    const variablesOf = async (env: Parameters<typeof command<{ n: number }>>[1]['env'] = {}) => {
      const { stdout } = await perform(
        command<{ n: number }>('a', {
          run: ['/usr/bin/env', '-0'],
          env,
        }),
        run,
      )
      return stdout
        .split('\u2400')

        .filter(line => line !== '' && !ofTestRunner.test(line))
        .toSorted()
    }
    const cookie = /^CLUSTER_STEP_COOKIE=[\da-f-]{36}$/
    t.match(await variablesOf({ BOTH: 'step', N: c => c.input.n, ONE: 1 }), [
      'BOTH=step',
      cookie,
      'N=2',
      'ONE=1',
      'PATH=/usr/bin:/bin',
    ])
    const computed = await variablesOf(c => ({
      N: String(c.input.n + 1),
      CLUSTER_STEP_COOKIE: 'mine',
    }))
    t.equal(computed.length, 4)
    t.match(computed, ['BOTH=run', cookie, 'N=3', 'PATH=/usr/bin:/bin'])
  },
)

t.test('no definition can hide its commands from the guardians', async t => {
  const environment = { PATH: '/usr/bin:/bin', CLUSTER_SERVER_COOKIE: 'server' }
  const run = makeRun(t, { environment })
  const shell = 'echo $CLUSTER_SERVER_COOKIE'
  const env = { CLUSTER_SERVER_COOKIE: 'mine', CLUSTER_REQUEST_ID: '0' }
  const { stdout } = await perform(command('a', { shell, env }), run)
  t.equal(stdout, `server/${run.requestId}`)
})

t.test('a command runs in the work folder, or where it is told to', async t => {
  const run = makeRun(t, { input: { folder: '/' } })
  const folder = realpathSync(await run.workFolder())
  t.equal((await perform(command('a', { run: ['pwd'] }), run)).stdout, folder)
  const step = command<{ folder: string }>('a', { run: ['pwd'], cwd: c => c.input.folder })
  t.equal((await perform(step, run)).stdout, '/')
})

t.test('nothing can be read from the input', async t => {
  t.equal((await perform(command('a', { shell: 'cat; echo end' }), makeRun(t))).stdout, 'end')
})

t.test('other exit codes can mean success', async t => {
  const step = command('a', { shell: 'exit 3', successCodes: [0, 3] })
  t.strictSame(await perform(step, makeRun(t)), { exitCode: 3, stdout: '' })
  const other = command('a', { shell: 'exit 0', successCodes: [3] })
  await t.rejects(perform(other, makeRun(t)), { code: 'CW_STEP_FAILED', details: { exitCode: 0 } })
})

t.test('a failed command says how it ended and what it last printed', async t => {
  const fails = async (shell: string, expected: object) =>
    t.rejects(
      perform(command('a', { shell }), makeRun(t)),
      { code: 'CW_STEP_FAILED', ...expected },
      shell,
    )
  await fails('exit 255', {
    message: "command 'exit 255' exited with code 255",
    details: { exitCode: 255 },
  })
  await fails('kill -9 $$', {
    message: "command 'kill -9 $$' was killed by SIGKILL",
    details: { signal: 'SIGKILL' },
  })
  await fails('kill -SEGV $$', { details: { signal: 'SIGSEGV' } })
  await fails('kill -9 0', { message: "command 'kill -9 0' was killed by SIGKILL" })
  await fails('false\nexit 4', { message: "command 'false…' exited with code 4" })
  await t.rejects(
    perform(command('a', { run: [execPath, '-e', 'process.exit(22)'] }), makeRun(t)),
    {
      message: `command '${execPath}' exited with code 22`,
    },
  )
})

t.test('the last lines are the last 20 of both outputs, cut, and can be stored', async t => {
  const script = `
    for (let i = 1; i <= 30; i++) console.log('line ' + i)
    console.error('x'.repeat(499) + '\u{1D11E}')
    process.stdout.write('NUL \\0 without an end')
    process.exitCode = 1`
  const failure = await perform(command('a', { run: [execPath, '-e', script] }), makeRun(t)).then(
    () => t.fail('it succeeded'),
    error => error,
  )
  const { lastLines } = failure.details
  t.equal(lastLines.length, 20)
  t.ok(lastLines.includes('line 30'))
  t.notOk(lastLines.includes('line 11'))
  t.ok(
    lastLines.includes('x'.repeat(499) + '\uFFFD'),
    'a line is cut at 500 characters, and stays well-formed',
  )
  t.ok(lastLines.includes('NUL \u2400 without an end'))
})

t.test('a command that cannot be started says why', async t => {
  const run = makeRun(t, { environment: { PATH: '/nowhere:/usr/bin' } })
  const folder = await run.workFolder()
  const write = (name: string, text: string, mode: number) => {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), mode)
  }
  write('plain.txt', 'echo', 0o644)
  write('lost.sh', '#!/no/such/interpreter\n', 0o755)
  write('dos.sh', '#!/bin/sh\r\necho\r\n', 0o755)
  mkdirSync(join(folder, 'folder'))
  const fails = async (options: Parameters<typeof command>[1], message: string | RegExp) =>
    t.rejects(
      perform(command('a', options), run),
      { code: 'CW_STEP_FAILED', message },
      String(message),
    )
  await fails(
    { run: ['foo-bar'] },
    "command not found: 'foo-bar' (looked in PATH /nowhere:/usr/bin)",
  )
  await fails({ run: ['./foo'] }, `command not found: '${folder}/foo'`)
  await fails({ run: ['./plain.txt'] }, "'./plain.txt' is not executable (permission denied)")
  await fails({ run: ['./folder'] }, "'./folder' is a directory, not a program")
  await fails(
    { run: ['./lost.sh'] },
    "'./lost.sh' needs the interpreter '/no/such/interpreter', which does not exist",
  )
  await fails({ run: ['./dos.sh'] }, /^'\.\/dos\.sh' has Windows line ends/)
  await fails({ run: ['ls'], cwd: '/no/folder' }, "working folder '/no/folder' does not exist")
  await fails(
    { run: ['ls'], cwd: join(folder, 'plain.txt') },
    `working folder '${folder}/plain.txt' is not a folder`,
  )
  await fails(
    { run: ['ls', 'x'.repeat(200_000)] },
    /^the arguments and environment of 'ls' are too long .*\(200\d{3} bytes/,
  )
  const many = Array.from({ length: 40 }, () => 'x'.repeat(100_000))
  await fails({ run: ['ls', ...many] }, /too long for the operating system/)
})

t.test('a script without a first line that names an interpreter is run by the shell', async t => {
  const run = makeRun(t)
  writeFileSync(join(await run.workFolder(), 'plain.sh'), 'echo hello\n', { mode: 0o755 })
  t.equal((await perform(command('a', { run: ['./plain.sh'] }), run)).stdout, 'hello')
})

t.test(
  'arguments that cannot be computed or handed over fail the step before it starts',
  async t => {
    const run = makeRun(t, { input: { bad: 'a\0b' } })
    const mark = join(await run.workFolder(), 'started')
    const touch = ['touch', mark] as const
    type Options = Parameters<typeof command<{ bad: string }>>[1]
    const fails = async (options: Options, field: string, message: RegExp) =>
      t.rejects(
        perform(command<{ bad: string }>('a', options), run),
        { code: 'CW_STEP_FAILED', field, message },
        field,
      )
    await fails({ run: [...touch, explode] }, 'run[2]', /^the function of run\[2\] threw: no host$/)
    await fails({ run: [...touch, c => c.input.bad] }, 'run[2]', /without NUL characters/)
    await fails({ run: [...touch, () => Number.NaN] }, 'run[2]', /a finite number, got NaN/)
    await fails({ run: [() => ''] }, 'run[0]', /to be a program/)
    await fails({ run: touch, cwd: explode }, 'cwd', /no host/)
    await fails({ run: touch, env: { A: c => c.input.bad } }, 'env.A', /without NUL characters/)
    await fails({ run: touch, env: explode }, 'env', /no host/)
    await fails({ run: touch, env: () => ({ 'A=B': 'x' }) }, 'env', /a name without '='/)
    await fails({ run: touch, env: () => ({ 'A\0': 'x' }) }, 'env', /without NUL/)
    await fails({ run: touch, env: () => ({ A: '\0' }) }, 'env.A', /without NUL/)
    // @ts-expect-error it must return an object
    await fails({ run: touch, env: () => null }, 'env', /an object of strings, got null/)
    const { stdout } = await perform(command('a', { run: ['ls', '-A'] }), run)
    t.equal(stdout, '', 'nothing was started')
  },
)

t.test('a command may remove or lock the folder it runs in', async t => {
  const run = makeRun(t)
  t.match(
    await perform(command('a', { shell: 'chmod 000 "$PWD"; chmod 700 "$PWD"; rm -r "$PWD"' }), run),
    { exitCode: 0 },
  )
  await t.rejects(perform(command('a', { run: ['true'] }), run), {
    message: /^working folder '.*' does not exist$/,
  })
})

t.test(
  'undo as arguments runs in the step’s folder with its environment; its failure rejects',
  async t => {
    const run = makeRun(t, { input: { folder: '/' } })
    const step = command<{ folder: string }>('a', {
      run: ['true'],
      cwd: c => c.input.folder,
      env: { WHO: 'step' },
      undo: ['sh', '-c', 'echo "$PWD $WHO"'],
    })
    await step.undo?.(run)
    t.equal(run.sink.textOf('stdout'), '/ step\n')
    const failing = command('a', {
      run: ['true'],
      successCodes: [0, 5],
      undo: ['sh', '-c', 'exit 5'],
    })
    await t.rejects(failing.undo?.(run) ?? Promise.resolve(), {
      code: 'CW_STEP_FAILED',
      details: { exitCode: 5 },
    })
  },
)

t.test('undo as a command of its own has its own folder and environment', async t => {
  const run = makeRun(t)
  const step = command('a', {
    run: ['true'],
    cwd: '/',
    env: { WHO: 'step' },
    undo: { shell: 'echo "$PWD ${WHO-nobody} $X"', env: { X: 'x' } },
  })
  await step.undo?.(run)
  t.equal(run.sink.textOf('stdout'), `${realpathSync(await run.workFolder())} nobody x\n`)
})
