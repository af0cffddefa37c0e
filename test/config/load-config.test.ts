import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig, type Configuration } from '../../lib/config/load-config.ts'
import { ClusterError } from '../../lib/errors.ts'

type Files = Record<string, string>

async function load(
  t: Test,
  files: Files,
  more: { env?: Record<string, string>; file?: string } = {},
): Promise<Configuration> {
  return loadConfig({ cwd: t.testdir(files), env: {}, ...more })
}

async function refusal(
  t: Test,
  files: Files,
  more: Parameters<typeof load>[2] = {},
): Promise<string[]> {
  try {
    await load(t, files, more)
  } catch (thrown) {
    if (!(thrown instanceof ClusterError)) throw thrown
    t.equal(thrown.code, 'CW_CONFIG')
    return thrown.message.split('\n')
  }
  throw new Error('expected the configuration to be refused')
}

t.test('no file, and a file that is empty, configure nothing', async t => {
  t.same(await load(t, {}), { file: undefined, options: {} })
  const { options } = await load(t, { 'cluster-worker.config.yaml': '# nothing yet\n' })
  t.same(options, {})
})

t.test('YAML, JSON and modules are read; relative names start at the file', async t => {
  const wanted = { schema: 'mine', pollInterval: 2000 }
  for (const [name, text] of Object.entries({
    'cluster-worker.config.yml': 'schema: mine\npollInterval: 2s\nprocesses: [a.ts]\n',
    'cluster-worker.config.json':
      '{\n\t"schema": "mine",\n\t"pollInterval": "2s", "processes": "a.ts"\n}\n',
    'cluster-worker.config.mjs':
      "export default { schema: 'mine', pollInterval: '2s', processes: ['a.ts'] }",
    'cluster-worker.config.ts':
      "export const config: { schema: string } & object = { schema: 'mine', pollInterval: '2s', processes: ['a.ts'] }",
  })) {
    await t.test(name, async t => {
      const { file, options } = await load(t, { [name]: text })
      t.equal(file, join(t.testdirName, name))
      t.same(options, { ...wanted, processes: [join(t.testdirName, 'a.ts')] })
    })
  }
})

t.test('a named file is read instead', async t => {
  const files = { 'cluster-worker.config.yaml': 'schema: one', 'other.yaml': 'schema: two' }
  t.match(await load(t, files, { file: 'other.yaml' }), { options: { schema: 'two' } })
  t.match(await refusal(t, {}, { file: 'none.yaml' }), [/none\.yaml: cannot be loaded: ENOENT/])
  t.match(await refusal(t, { 'x.toml': '' }, { file: 'x.toml' }), [/to end in .*, got x\.toml/])
})

t.test('two files are refused by name', async t => {
  const [line] = await refusal(t, {
    'cluster-worker.config.ts': '',
    'cluster-worker.config.json': '{}',
  })
  t.match(
    line,
    /one configuration file .* got cluster-worker\.config\.json and cluster-worker\.config\.ts/,
  )
})

t.test('all problems are reported with their places', async t => {
  const yaml = 'schema: Big\nconcurency: 3\nlisten: [1]\npollInterval: 5\n'
  t.match(await refusal(t, { 'cluster-worker.config.yaml': yaml }), [
    'cluster-worker.config.yaml:1:1 schema: expected a plain PostgreSQL name of at most 41 of a-z, 0-9 and _, got "Big"',
    'cluster-worker.config.yaml:2:1 concurency: unknown key (did you mean concurrency?)',
    'cluster-worker.config.yaml:3:1 listen: expected true or false, got [1]',
    /^cluster-worker\.config\.yaml:4:1 pollInterval: expected a duration/,
  ])
  t.match(await refusal(t, { 'cluster-worker.config.json': '{\n  "schemas": "a"\n}' }), [
    'cluster-worker.config.json:2:3 schemas: unknown key (did you mean schema?)',
  ])
  t.match(await refusal(t, { 'cluster-worker.config.mjs': 'export default { concurrency: 0 }' }), [
    'cluster-worker.config.mjs concurrency: expected an integer from 1 to 10000, got 0',
  ])
})

t.test('what is no YAML or JSON is one line for each fault', async t => {
  const first = async (name: string, text: string): Promise<string | undefined> =>
    (await refusal(t, { [`cluster-worker.config.${name}`]: text }))[0]
  t.equal(
    await first('yaml', 'schema: a\nlisten: true\nschema: b\n'),
    'cluster-worker.config.yaml:3:1 schema: this key is given twice',
  )
  t.match(
    await first('json', '{"schema": "a",\n "schema": "b"}'),
    /:2:2 schema: this key is given twice/,
  )
  t.match(await first('json', '{"schema": a}'), /config\.json:1:12 syntax: /)
  t.match(await first('yaml', 'a:\n  - b\n c: d\n'), /config\.yaml:3:1 syntax: /)
  t.match(await first('yaml', 'schema: *none\n'), /:1:9 syntax: no anchor named none/)
  t.match(await first('yaml', 'processes: &p [*p]\n'), /:1:16 syntax: the alias p stands inside/)
  t.match(await first('yaml', 'schema: !odd a\n'), /:1:9 syntax: /)
  t.match(await first('yaml', '- a\n'), /:1:1 expected a map of options, got a list/)
  t.match(await first('yaml', 'schema: a\n---\nschema: b\n'), /:3:1 expected one document, got 2/)
})

t.test('aliases that multiply are refused before they fill the memory', async t => {
  const levels = Array.from({ length: 12 }, (_, level) =>
    level === 0
      ? 'a0: &a0 [x,x,x,x,x,x,x,x,x,x]'
      : `a${level}: &a${level} [${`*a${level - 1},`.repeat(10)}]`,
  )
  const lines = await refusal(t, { 'cluster-worker.config.yaml': levels.join('\n') })
  t.match(lines, [/^cluster-worker\.config\.yaml:2:\d+ aliases: expected at most 100 /])
})

t.test('the environment is put into texts', async t => {
  const yaml = [
    'databaseUrl: postgres://u:${env:SECRET}@${env:HOST:-localhost}/db',
    'concurrency: ${env:SLOTS}',
    'processes: ["${env:DIR}/x", "$${env:DIR}"]',
  ].join('\n')
  const { options } = await load(
    t,
    { 'cluster-worker.config.yaml': yaml },
    { env: { SECRET: 'hush', SLOTS: '4', DIR: '/srv', HOST: '' } },
  )
  t.same(options, {
    connectionString: 'postgres://u:hush@localhost/db',
    concurrency: 4,
    processes: ['/srv/x', join(t.testdirName, '${env:DIR}')],
  })
})

t.test('a variable that is missing, empty or misspelt is reported where it is used', async t => {
  const yaml = 'schema: ${env:NONE}\nprocesses:\n  - a\n  - ${env:EMPTY}\ndataDir: ${evn:DIR}\n'
  t.match(await refusal(t, { 'cluster-worker.config.yaml': yaml }, { env: { EMPTY: '' } }), [
    'cluster-worker.config.yaml:1:9 schema: the environment variable NONE is not set',
    'cluster-worker.config.yaml:4:5 processes[1]: the environment variable EMPTY is not set',
    /^cluster-worker\.config\.yaml:5:10 dataDir: expected \$\{env:NAME\} or .* got \$\{evn:DIR\}/,
  ])
})

t.test('a module that throws, or exports nothing, is named', async t => {
  t.match(await refusal(t, { 'cluster-worker.config.mjs': "throw new Error('no luck')" }), [
    'cluster-worker.config.mjs: cannot be loaded: no luck',
  ])
  t.match(await refusal(t, { 'cluster-worker.config.js': 'export const a = 1' }), [
    'cluster-worker.config.js expected a map of options, got no default export and no export named config',
  ])
})
