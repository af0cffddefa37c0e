import t from 'tap'
import { ClusterError } from '../../lib/errors.ts'
import type { CommandOptions } from '../../lib/step/command-options.ts'
import { command } from '../../lib/step/command.ts'

/** Defines a command as a program without a compiler would. */
function define(options: unknown, name: unknown = 'build'): () => unknown {
  return () => Reflect.apply(command, undefined, [name, options])
}

function print(options: CommandOptions<any>): string {
  return command('a', options).fingerprint
}

t.test('a wrong definition is refused, and the field is named', t => {
  const run = ['true']
  const wrong: [field: string, options: unknown][] = [
    ['', undefined],
    ['', ['true']],
    ['run', {}],
    ['run', { run, shell: 'true' }],
    ['run', { run: [] }],
    ['run', { run: 'true' }],
    ['run', { run: { 0: 'true' } }],
    ['run[0]', { run: [''] }],
    ['run[1]', { run: ['echo', undefined] }],
    ['run[1]', { run: ['echo', Number.NaN] }],
    ['run[2]', { run: ['echo', 'a', 'b\0c'] }],
    ['run[1]', { run: ['echo', '\ud800'] }],
    ['shell', { shell: () => 'true' }],
    ['shell', { shell: ' \n' }],
    ['shell', { shell: 'echo \0' }],
    ['cwd', { run, cwd: '/a\0b' }],
    ['cwd', { run, cwd: true }],
    ['env', { run, env: 'A=1' }],
    ['env', { run, env: { 'A=B': 'x' } }],
    ['env', { run, env: { 'A\0B': 'x' } }],
    ['env', { run, env: { '': 'x' } }],
    ['env.A', { run, env: { A: 'x\0y' } }],
    ['env.A', { run, env: { A: null } }],
    ['timeout', { run, timeout: 0 }],
    ['timeout', { run, timeout: -1 }],
    ['timeout', { run, timeout: 2 ** 31 }],
    ['timeout', { run, timeout: '5 minutes' }],
    ['timeout', { run, timeout: null }],
    ['outputLimit', { run, outputLimit: -1 }],
    ['outputLimit', { run, outputLimit: '10 apples' }],
    ['successCodes', { run, successCodes: [] }],
    ['successCodes', { run, successCodes: [256] }],
    ['successCodes', { run, successCodes: 0 }],
    ['comand', { run, comand: true }],
    ['undo', { run, undo: 'rm' }],
    ['undo.run', { run, undo: [] }],
    ['undo.run', { run, undo: { cwd: '/' } }],
    ['undo.run[1]', { run, undo: ['rm', {}] }],
    ['undo.timeout', { run, undo: { run, timeout: 'soon' } }],
    ['undoUnfinished', { run, undoUnfinished: true }],
    ['undoUnfinished', { run, undo: run, undoUnfinished: 'yes' }],
    ['undo.undo', { run, undo: { run, undo: run } }],
  ]
  for (const [field, options] of wrong)
    t.throws(
      define(options),
      { code: 'CW_DEFINITION', field },
      `${field} of ${JSON.stringify(options)}`,
    )
  t.throws(define({ run }, 'a\nb'), { code: 'CW_DEFINITION', field: 'name' })
  t.end()
})

t.test('an error names the step and the unknown option, and never prints a value', t => {
  t.throws(define({ run: ['true'], comand: true }), { message: /step 'build': .*got "comand"$/ })
  try {
    define({ run: ['true'], env: { TOKEN: 'hunter2\0' } })()
    t.fail('it was accepted')
  } catch (error) {
    t.ok(error instanceof ClusterError)
    t.notMatch(String(error), 'hunter2')
    t.match(
      String(error),
      'expected env.TOKEN to be text without NUL characters, got one at position 7',
    )
  }
  t.end()
})

t.test('the step has the name, the kind and the timeout of its definition', t => {
  const step = command('wait', { run: ['sleep', 5], timeout: '2m' })
  t.match(
    { ...step, name: step.name },
    { name: 'wait', kind: 'command', timeoutMs: 120_000, undo: undefined },
  )
  t.type(command('a', { run: ['true'], undo: ['true'] }).undo, 'function')
  t.end()
})

t.test('the fingerprint follows the definition', t => {
  const base = { run: ['echo', 'x'], env: { A: '1', B: '2' }, timeout: '60s' } as const
  t.equal(print(base), print({ ...base, env: { B: '2', A: '1' }, timeout: '1m' }))
  t.equal(
    print({ run: ['echo', ({ input }) => input.a] }),
    print({ run: ['echo', ({ input }) => input.a] }),
  )
  const others = [
    print(base),
    print({ ...base, run: ['echo', 'y'] }),
    print({ ...base, run: ['echo', () => 'x'] }),
    print({ ...base, run: ['echo', '() => "x"'] }),
    print({ ...base, env: { A: '1' } }),
    print({ ...base, env: () => ({}) }),
    print({ ...base, timeout: '2m' }),
    print({ ...base, cwd: '/' }),
    print({ ...base, undo: ['echo'] }),
    print({ ...base, undo: ['echo'], undoUnfinished: true }),
    print({ ...base, successCodes: [1] }),
    print({ shell: 'echo x' }),
    command('b', base).fingerprint,
  ]
  t.equal(new Set(others).size, others.length, 'every difference is seen')
  t.end()
})
