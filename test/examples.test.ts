import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import type { Test } from 'tap'
import { shareOwnLibrary } from '../bin/own-library.ts'
import { loadDefinitions } from '../lib/config/load-definitions.ts'
import { Cluster } from '../lib/index.ts'
import { createDatabase } from './support/database.ts'

/** The essential lines of what each example prints, in their order. */
const examples: Record<string, RegExp[]> = {
  '01-hello.ts': [
    /^request \d+ succeeded on the server example$/,
    /^greet: Hello from a function\.$/,
    /^echo: Hello from a command\.$/,
  ],
  '02-transaction.ts': [
    /^knex: out of stock$/,
    /^shipped: \{ customer: 'Ann' \} succeeded$/,
    /^shipped: \{ customer: 'Bob' \} succeeded$/,
    /^orders: \[ 'Ann', 'Bob' \]$/,
    /^requests: 2$/,
  ],
  '03-typed-steps.ts': [
    /^price: \{ net: 250, currency: 'EUR' \}$/,
    /^tax: 50$/,
    /^print: \{.* stdout: '1 lamp: 250'.* \}$/,
    /^total: 300 EUR$/,
    /^result: 300 EUR$/,
    /^CW_INPUT_INVALID input\.count$/,
  ],
  '04-sql.ts': [
    /'measure' .*'a table' .*'finished' .*'succeeded' .*'example' .*'18'/,
    /'measure' .*'a chair' .*'finished' .*'cancelled' .*null .*null/,
  ],
  '05-testing.ts': [
    /^(✔|ok \d+ -) greets/,
    /^(✔|ok \d+ -) fails when its server is killed before the second step/,
    /^(ℹ|#) fail 0$/,
  ],
}

t.test('every example is tested', async t => {
  const files = (await readdir('examples')).filter(name => /^\d/.test(name))
  t.strictSame(files.toSorted(), Object.keys(examples))
})

for (const [file, lines] of Object.entries(examples))
  t.test(`${file} with the database of DATABASE_URL`, async t => {
    const { url } = await createDatabase(t, { template: false })
    const { stdout, stderr, exitCode } = await run(t, file, { DATABASE_URL: url })
    t.match({ exitCode, stderr }, { exitCode: 0, stderr: '' })
    t.ok(containsInOrder(stdout, lines), 'prints the essential lines', { stdout })
  })

t.test('01-hello.ts with a database of its own, which is gone afterwards', async t => {
  const folder = await makeFolder(t)
  const { stdout, exitCode } = await run(t, '01-hello.ts', { DATABASE_URL: '', TMPDIR: folder })
  t.equal(exitCode, 0)
  t.match(stdout, /Hello from a command/)
  t.strictSame(await readdir(folder), [])
})

t.test('a deployment that fails leaves the version before it', async t => {
  const { url } = await createDatabase(t)
  const folder = await makeFolder(t)
  const target = join(folder, 'shop')
  shareOwnLibrary()
  const { processes } = await loadDefinitions(['examples/processes'], process.cwd())
  const dataDir = join(folder, 'data')
  const cluster = new Cluster({ connectionString: url, processes, nodeId: 'a', dataDir })
  t.teardown(() => cluster.stop())
  await cluster.start()

  const deploy = async (version: string, more = {}) => {
    const { id } = await cluster.enqueue('deploy', { version, target, ...more })
    const { outcome, error } = await cluster.wait(id)
    const current = await readFile(join(target, 'current/VERSION'), 'utf8')
    const packages = await readdir(join(target, 'packages'))
    return { outcome, step: error?.['step'], current: current.trim(), packages }
  }
  const first = { current: '1.0', packages: ['app-1.0.sha256', 'app-1.0.tar.gz'] }
  t.match(await deploy('1.0'), { outcome: 'succeeded', ...first })
  const unwell = await deploy('2.0', { failAt: 'check health' })
  t.strictSame(unwell, { outcome: 'failed', step: 'check health', ...first })
  t.strictSame(await deploy('1.0'), { outcome: 'failed', step: 'build', ...first })
  t.strictSame(await readdir(join(target, 'releases')), ['1.0'])
  t.equal((await readdir(`${target}-notifications`)).length, 2)
})

/** Runs an example as its first lines say, in a folder of its own, which gets the server's data folder. */
async function run(t: Test, file: string, env: Record<string, string>) {
  const args = ['--conditions=cluster-worker-source', resolve('examples', file)]
  return execa(process.execPath, args, {
    cwd: await makeFolder(t),
    // Not the hooks that tap gives to the children of its tests.
    env: { ...env, NODE_OPTIONS: '' },
    reject: false,
  })
}

async function makeFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cw-example-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

function containsInOrder(text: string, expected: readonly RegExp[]): boolean {
  const rest = [...expected]
  for (const line of text.split('\n')) if (rest[0]?.test(line)) rest.shift()
  return rest.length === 0
}
