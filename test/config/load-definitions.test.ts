import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadDefinitions } from '../../lib/config/load-definitions.ts'
import { ClusterError } from '../../lib/errors.ts'

const define = `import { defineProcess } from '${import.meta.resolve('../../lib/step/define-process.ts')}'
import { call } from '${import.meta.resolve('../../lib/step/call.ts')}'
const named = name => defineProcess({ name, steps: [call('a', () => 1)] })
`
const yaml = (name: string): string => `name: ${name}\nsteps:\n  - {name: a, run: [ls]}\n`

async function names(paths: string[], cwd: string): Promise<string[]> {
  return (await loadDefinitions(paths, cwd)).processes.map(process => process.name)
}

async function refusal(t: Test, paths: string[], cwd: string): Promise<string[]> {
  try {
    await loadDefinitions(paths, cwd)
  } catch (thrown) {
    if (!(thrown instanceof ClusterError)) throw thrown
    t.equal(thrown.code, 'CW_DEFINITION')
    return thrown.message.split('\n')
  }
  throw new Error('expected the processes to be refused')
}

t.test('a folder gives the processes of its files, in the order of their names', async t => {
  const cwd = t.testdir({
    all: {
      'b.yaml': `${yaml('b1')}---\n${yaml('b2')}`,
      'a.mjs': `${define}export const one = named('a1'); export default named('a2'); export const no = 1`,
      'c.yml': yaml('c'),
      'a.test.mjs': 'throw new Error()',
      'types.d.ts': 'broken(',
      '.hidden.yaml': ': :',
      'notes.md': '',
      below: { 'd.yaml': yaml('d') },
    },
  })
  t.same((await names(['all'], cwd)).toSorted(), ['a1', 'a2', 'b1', 'b2', 'c'])
  t.same(await names(['all/below/d.yaml', join(cwd, 'all', 'c.yml')], cwd), ['d', 'c'])
})

t.test('TypeScript is loaded as it is', async t => {
  const cwd = t.testdir({
    'a.ts': `${define.replace('name =>', '(name: string) =>')}export const a = named('typed')`,
  })
  t.same(await names(['a.ts'], cwd), ['typed'])
})

t.test('a process that is reached twice counts once', async t => {
  const cwd = t.testdir({
    'a.mjs': `${define}export const one = named('a'); export { one as two }`,
    'b.mjs': "export * from './a.mjs'",
  })
  await symlink(join(cwd, 'a.mjs'), join(cwd, 'link.mjs'))
  t.same(await names(['a.mjs', '.', 'link.mjs'], cwd), ['a'])
})

t.test('two definitions of one name are refused with both files', async t => {
  const cwd = t.testdir({
    'a.yaml': yaml('same'),
    'b.yaml': yaml('same'),
    'c.yaml': `${yaml('x')}---\n${yaml('x')}`,
  })
  t.same(await refusal(t, ['.'], cwd), [
    'b.yaml: the process same is defined in a.yaml too',
    'c.yaml: the process x is defined twice',
  ])
})

t.test('every file that cannot be used is named', async t => {
  const cwd = t.testdir({
    'broken.mjs': 'export const = 1',
    'none.mjs': 'export const a = 1',
    'throws.mjs': "throw new Error('no luck\\nsecond line')",
    'null.mjs': 'throw null',
    'empty.yaml': '',
    'wrong.yaml': 'name: a\n',
    empty: {},
  })
  const lines = await refusal(
    t,
    [
      'missing',
      'package.toml',
      'empty',
      ...['broken', 'none', 'throws', 'null'].map(name => `${name}.mjs`),
      'empty.yaml',
      'wrong.yaml',
    ],
    cwd,
  )
  t.match(lines, [
    /got missing \(no such file or folder\)/,
    /got package\.toml \(no such file/,
    /got empty \(no such file is in this folder\)/,
    /^broken\.mjs: cannot be loaded: /,
    /^none\.mjs: expected at least one export made by defineProcess\(\), got none/,
    /^throws\.mjs: cannot be loaded: no luck$/,
    /^null\.mjs: cannot be loaded: a value that is not an Error was thrown: null/,
    /^empty\.yaml: expected a process, got an empty file/,
    /^wrong\.yaml:1:1 steps: is missing/,
  ])
})
