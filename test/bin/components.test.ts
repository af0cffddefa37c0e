import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeFolder, runBinary, type Outcome } from '../support/binary.ts'
import { startCluster } from '../support/start-cluster.ts'

t.setTimeout(120_000)

const { cluster, url } = await startCluster(t, [])
const folder = await makeFolder(t)
for (const version of ['1.0.0', '1.1.0']) {
  await mkdir(join(folder, 'builds', version), { recursive: true })
  await writeFile(join(folder, 'builds', version, 'name.txt'), version)
}

function run(...words: string[]): Promise<Outcome> {
  return runBinary(t, words, { cwd: folder, env: { DATABASE_URL: url } })
}

async function define(file: string, source: object): Promise<void> {
  await writeFile(join(folder, file), JSON.stringify({ name: 'app', source }))
}

t.test('a component is applied, asked, imported and fetched', async t => {
  await define('app.json', { type: 'folder', path: join(folder, 'builds') })
  t.match(await run('components', 'apply', 'app.json'), { code: 0, stderr: /created app/ })
  t.match(await run('versions', 'check', 'app'), { code: 0, stdout: /1\.0\.0/ })
  t.match(await run('import', 'app', '1.0.0'), {
    code: 0,
    stderr: /^app 1\.0\.0 is published: 1 files/,
  })
  t.match(await run('import', 'app', '1.0.0'), { code: 0, stderr: /published already/ })
  t.match(await run('fetch', 'app', '1.0.0', '--to', 'there'), { code: 0 })
  t.equal(await readFile(join(folder, 'there/name.txt'), 'utf8'), '1.0.0')
  t.match(await run('fetch', 'app', '1.0.0', '--to', 'there'), { code: 2, stderr: /there/ })
  t.match(await run('verify'), { code: 0, stderr: /all are whole/ })
})

t.test('an import is cancelled', async t => {
  t.match(await run('import', 'app', '1.0.0', '--cancel'), {
    code: 0,
    stderr: /^app 1\.0\.0 had been imported before/,
  })
  t.match(await run('import', 'app', '1.0.0', '--cancel', '--no-wait'), {
    code: 2,
    stderr: /--cancel does not wait/,
  })
  const { components } = cluster
  await mkdir(join(folder, 'builds', '1.0.5'))
  await writeFile(join(folder, 'builds', '1.0.5', 'name.txt'), '1.0.5')
  const source = { type: 'folder', path: join(folder, 'builds') }
  await components.apply({ name: 'app', source, import: 'manual' })
  await components.check('app')
  await components.pause('app')
  await components.import('app', '1.0.5')
  const cancel = (): Promise<Outcome> => run('import', 'app', '1.0.5', '--cancel')
  t.match(await cancel(), {
    code: 0,
    stderr: 'The import of app 1.0.5 is cancelled; it had not begun.',
  })
  t.match(await cancel(), { code: 0, stderr: 'Nobody had asked for app 1.0.5.' })
  await components.resume('app')
  t.match(await run('import', 'app', '9', '--cancel'), { code: 2, stderr: /no version '9'/ })
})

t.test('what cannot be done is said at once', async t => {
  t.match(await run('import', 'ap', '1.0.0'), { code: 2, stderr: /did you mean 'app'/ })
  t.match(await run('fetch', 'app', '3'), { code: 2, stderr: /no published version '3'/ })
  await cluster.components.pause('app')
  t.match(await run('versions', 'check', 'app'), {
    code: 1,
    stderr: /paused.*components resume app/,
  })
  await cluster.components.resume('app')
})

t.test('a source that cannot be is refused when it is applied', async t => {
  await define('relative.json', { type: 'folder', path: 'builds' })
  t.match(await run('components', 'apply', 'relative.json'), {
    code: 78,
    stderr: /relative\.json:1:\d+ source\.path .* absolute path/,
  })
  await define('mistyped.json', { type: 'foldr', path: '/x' })
  t.match(await run('components', 'apply', 'mistyped.json'), {
    code: 0,
    stderr: /'foldr', is not built in\. Did you mean 'folder'/,
  })
})
