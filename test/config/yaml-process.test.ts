import t from 'tap'
import { readYamlProcesses } from '../../lib/config/yaml-process.ts'
import type { Process } from '../../lib/step/define-process.ts'
import type { Step, StepRun } from '../../lib/step/step.ts'
import { makePipes } from '../step/step-run.ts'
import { noArtifacts } from '../support/no-artifacts.ts'

function read(text: string): Process {
  const { processes, problems } = readYamlProcesses(text, 'p.yaml')
  const [process] = processes
  if (!process || problems.length > 0) throw new Error(problems.join('\n'))
  return process
}

function problemsOf(text: string): string[] {
  return readYamlProcesses(text, 'p.yaml').problems
}

const pipes = makePipes(t)

/** Performs the steps of a process one after the other, then gives what each returned. */
async function perform(process: Process, input: unknown, cwd: string): Promise<unknown[]> {
  const outputs = new Map()
  const signal = new AbortController().signal
  for (const step of process.steps) {
    const run: StepRun = {
      input,
      output: earlier => outputs.get(earlier),
      signal,
      isStopped: false,
      log() {},
      artifacts: noArtifacts,
      requestId: '42',
      process: process.name,
      step: step.name,
      node: 'node-1',
      compensates: undefined,
      isUnfinished: false,
      token: 'secret-7',
      workFolder: async () => cwd,
      sink: { write: async () => {} },
      environment: {},
      outputLimit: 1024,
      killGraceMs: 1000,
      force: signal,
      pipes,
      onStarted: () => undefined,
    }
    outputs.set(step, await step.perform(run))
  }
  return Array.from(outputs.values(), output => Object(output).stdout)
}

const print = `${JSON.stringify(process.execPath)}, -p, "JSON.stringify(process.argv.slice(1))"`

t.test('placeholders are whole arguments or parts of them, and input never splits one', async t => {
  const process = read(`
name: deploy
description: all of it
input: {type: object, properties: {url: {type: string}}, required: [url]}
steps:
  - name: first
    run: [${print}, "\${input.url}", "x-\${input.list.1.n}-\${requestId}", "\${token}", "\${node}", "$\${input.url}", 1.10, true]
  - name: second
    run: [${print}, "\${output.first.stdout}", "\${output.first.exitCode}", "\${input.list}"]
`)
  const input = { url: `a b'c"$(id)\${requestId}`, list: [0, { n: 5 }] }
  const [first, second] = await perform(process, input, t.testdir({}))
  t.same(JSON.parse(String(first)), [
    input.url,
    'x-5-42',
    'secret-7',
    'node-1',
    '${input.url}',
    '1.10',
    'true',
  ])
  t.same(JSON.parse(String(second)), [first, '0', JSON.stringify(input.list)])
  t.match(process, { name: 'deploy', description: 'all of it' })
})

t.test('a shell gets input by its environment only', async t => {
  const process = read(`
name: p
steps:
  - name: s
    shell: 'echo "$URL $\${NONE:-none}"'
    env: {URL: "<\${input.url}>", N: 1.0}
`)
  t.same(await perform(process, { url: '$(id)' }, t.testdir({})), ['<$(id)> none'])
})

t.test('a missing input fails the step and says which', async t => {
  const process = read('name: p\nsteps:\n  - {name: s, run: [echo, "${input.a.b}"]}\n')
  for (const input of [{}, { a: null }, { a: 'text' }, null, undefined])
    await t.rejects(perform(process, input, t.testdir({})), {
      code: 'CW_STEP_FAILED',
      message: /expected input\.a\.b to have a value, got none/,
    })
  await t.rejects(
    perform(
      read('name: p\nsteps:\n  - {name: s, run: [echo, "${input.constructor}"]}'),
      {},
      t.testdir({}),
    ),
    {
      code: 'CW_STEP_FAILED',
    },
  )
})

function summary(step: Step<never, unknown>): unknown[] {
  return [step.name, step.timeoutMs, typeof step.undo, step.undoUnfinished]
}

t.test('timeouts, undo and on-failure steps are taken over', async t => {
  const { steps, onFailure } = read(`
name: p
steps:
  - {name: make, run: [mktemp], timeout: 5m, undo: [rm, "\${output.make.stdout}"], successCodes: [0, 3], outputLimit: 1MiB}
  - {name: undo map, shell: "true", undo: {shell: "true", env: {A: b}, timeout: 1s}, undoUnfinished: true}
onFailure:
  - {name: page, run: [echo, "\${output.make.stdout}"]}
`)
  t.same(steps.map(summary), [
    ['make', 300_000, 'function', false],
    ['undo map', undefined, 'function', true],
  ])
  t.same(onFailure.map(summary), [['page', undefined, 'undefined', false]])
})

t.test('the input schema is checked and can be published', async t => {
  const { input } = read(`
name: p
input: {type: object, properties: {n: {type: integer, default: 1.0}}, required: [url]}
steps: [{name: s, run: [ls]}]
`)
  t.same(await input?.['~standard'].validate({ url: 1 }), { value: { url: 1, n: 1 } })
  t.match(await input?.['~standard'].validate({ n: 'x', url: 1 }), { issues: [{ path: ['n'] }] })
  t.match(input?.['~standard'].jsonSchema?.input({ target: 'draft-2020-12' }), {
    required: ['url'],
  })
})

t.test('the version follows the definition, placeholders included', async t => {
  const version = (argument: string): string =>
    read(`name: p\nsteps:\n  - {name: s, run: [echo, "${argument}"]}\n`).version
  t.equal(version('${input.a}'), version('${input.a}'))
  t.not(version('${input.a}'), version('${input.b}'))
  t.equal(read('name: p\nversion: 1.10\nsteps: [{name: s, run: [ls]}]').version, '1.10')
})

const one = (name: string): string => `name: ${name}\nsteps: [{name: s, run: [ls]}]\n`

t.test('a file holds one process for each document; those that are right are given', async t => {
  const { processes, problems } = readYamlProcesses(
    `${one('a')}---\nname: b\n---\n${one('c')}---\n`,
    'p.yaml',
  )
  t.same(
    processes.map(process => process.name),
    ['a', 'c'],
  )
  t.same(problems, ['p.yaml:4:1 steps: is missing'])
  t.same(problemsOf('# nothing\n'), ['p.yaml: expected a process, got an empty file'])
})

t.test('unknown keys and wrong types are located', async t => {
  t.same(
    problemsOf(`
name: p
descripton: x
steps:
  - name: a
    runn: [ls]
    timout: 5m
    env: {A: [1], B: }
    successCodes: [a]
  - run: ls
    outputLimit: much
    undo: {shel: x, cwd: {}}
  - 5
`),
    [
      'p.yaml:8:14 steps[0].env.A: expected text, got a list',
      'p.yaml:8:22 steps[0].env.B: expected text, got null',
      'p.yaml:9:20 steps[0].successCodes[0]: expected a number, got "a"',
      'p.yaml:6:5 steps[0].runn: unknown key (did you mean run?)',
      'p.yaml:7:5 steps[0].timout: unknown key (did you mean timeout?)',
      'p.yaml:10:5 steps[1].name: is missing',
      'p.yaml:10:10 steps[1].run: expected a list, got "ls"',
      'p.yaml:12:26 steps[1].undo.cwd: expected text, got a map',
      'p.yaml:12:12 steps[1].undo.shel: unknown key (did you mean shell?)',
      'p.yaml:11:18 steps[1].outputLimit: expected a size such as 16MiB, got "much"',
      'p.yaml:13:5 steps[2]: expected a map, got 5',
      'p.yaml:3:1 descripton: unknown key (did you mean description?)',
    ],
  )
  t.match(problemsOf('name: p\nsteps: []\n'), [
    'p.yaml:2:8 steps: expected at least one, got an empty list',
  ])
  t.match(problemsOf('name: p\nname: q\n'), ['p.yaml:2:1 name: this key is given twice'])
})

t.test('what the definition gets wrong is located', async t => {
  t.match(
    problemsOf(`
name: p
input: {type: objekt}
steps:
  - name: a
    run: [echo, "\${inptu.url}", "\${output.later.stdout}", "\${output.a.stdout}", "\${env:HOME}", "\${open"]
    undo: [rm, "\${output.a.sdtout}"]
  - name: a
    shell: echo \${input.url}
  - name: c
    run: [ls]
    shell: ls
    timeout: 5 minutes
  - name: d
    cwd: "\${reqestId}"
  - name: e
    run: [ls]
    undo: {shell: ls, timeout: "5"}
  - name: "f\\nf"
    run: [ls]
`),
    [
      /^p\.yaml:3:8 input: expected input to be a JSON Schema: /,
      /^p\.yaml:8:11 steps\[1\]\.name: another step is named a too/,
      /^p\.yaml:6:17 steps\[0\]\.run\[1\]: unknown placeholder \$\{inptu\.url\} \(did you mean \$\{input\.url\}\?\)/,
      /^p\.yaml:6:33 steps\[0\]\.run\[2\]: expected an earlier step in .* got 'later'/,
      /^p\.yaml:6:59 steps\[0\]\.run\[3\]: expected an earlier step in .* got 'a'/,
      /^p\.yaml:6:81 steps\[0\]\.run\[4\]: unknown placeholder \$\{env:HOME\}/,
      /^p\.yaml:6:96 steps\[0\]\.run\[5\]: expected a '\}'/,
      /^p\.yaml:7:16 steps\[0\]\.undo\[1\]: unknown placeholder .*did you mean \$\{output\.a\.stdout\}/,
      /^p\.yaml:9:12 steps\[1\]\.shell: expected shell text without \$\{input\.url\}: .* under env/,
      /^p\.yaml:10:5 steps\[2\]: expected exactly one of run, shell, artifact, deployed, got run and shell/,
      /^p\.yaml:15:10 steps\[3\]\.cwd: unknown placeholder .*did you mean \$\{requestId\}/,
      /^p\.yaml:14:5 steps\[3\]: expected exactly one of run, shell, artifact, deployed, got none/,
      /^p\.yaml:18:32 steps\[4\]\.undo\.timeout: /,
      /^p\.yaml:19:11 steps\[5\]\.name: /,
    ],
  )
})

t.test('a step takes a version, and another one records where it is', t => {
  const { processes, problems } = readYamlProcesses(
    `name: deploy
steps:
  - name: files
    artifact: { component: shop, version: '\${input.version}', to: shop, status: [passed-qa] }
  - name: copy
    run: [cp, -r, '\${output.files.folder}', '/opt/\${output.files.version}']
  - name: there
    deployed: { step: files, target: '\${input.target}' }
`,
    'p.yaml',
  )
  t.strictSame(problems, [])
  t.strictSame(
    processes[0]?.steps.map(({ name, kind }) => `${name} ${kind}`),
    ['files artifact', 'copy command', 'there artifact'],
  )
  const wrong = readYamlProcesses(
    `name: deploy
steps:
  - name: files
    artifact: { component: shop, versoin: '1' }
`,
    'p.yaml',
  )
  t.match(wrong.problems.join('\n'), /versoin.*did you mean version/)
  const later = readYamlProcesses(
    `name: deploy
steps:
  - name: there
    deployed: { step: nothing, target: web }
  - name: where
    artifact: { component: shop }
    env: { A: b }
  - name: copy
    run: [cp, '\${output.where.stdout}']
`,
    'p.yaml',
  )
  t.match(later.problems.join('\n'), /takes a version, got 'nothing'/)
  t.match(later.problems.join('\n'), /env is for commands only/)
  t.match(later.problems.join('\n'), /has no stdout, only version and folder/)
  t.end()
})
