import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeFolder, runBinary } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { spawnServerProcess, startServerProcess } from '../support/server-process.ts'
import { until } from '../support/until.ts'

t.setTimeout(180_000)

/** A folder that PostgreSQL can enter, which runs as another user when we are root. */
async function makeOpenFolder(t: Test): Promise<string> {
  const folder = await makeFolder(t)
  await chmod(folder, 0o755)
  return folder
}

t.test('dev runs a database and a server that all other commands find', async t => {
  const cwd = await makeOpenFolder(t)
  const dev = await startServerProcess(t, { args: ['dev'], cwd })
  const note = join(cwd, '.cluster-worker/dev.json')
  t.equal((await stat(note)).mode & 0o777, 0o600)

  const run = (...words: string[]) => runBinary(t, words, { cwd })
  const hello = await run('enqueue', 'hello', '--input', '{"name":"Ada"}', '--follow')
  t.equal(hello.code, 0)
  t.match(hello.stdout, /^1\n.*Hello, Ada!/s)
  t.match(hello.stderr, 'request 1 succeeded')
  t.notMatch(hello.stderr, 'development database')
  const list = await run('list', '--json', '-v')
  t.match(JSON.parse(list.stdout), [{ id: '1', node: 'dev', outcome: 'succeeded' }])
  t.equal(list.stderr, `using the development database of ${join(cwd, '.cluster-worker')}\n`)
  t.match((await run('check')).stdout, 'the development database of')

  const second = await run('dev')
  t.equal(second.code, 75, 'there is one of them in a folder')
  t.equal((await run('nodes')).code, 0, 'and the first one goes on')

  dev.kill('SIGINT')
  const { code, stderr } = await dev.ended
  t.equal(code, 0)
  t.match(stderr, 'cluster-worker enqueue hello --follow')
  t.match(stderr, /The server knows .*hello/)
  t.notOk((await readdir(join(cwd, '.cluster-worker'))).includes('dev.json'))
  t.equal((await run('list')).code, 78, 'nothing names a database any more')

  const again = await startServerProcess(t, { args: ['dev'], cwd })
  t.match(JSON.parse((await run('list', '--json')).stdout), [{ id: '1' }], 'its data was kept')
  again.kill('SIGTERM')
  t.match(await again.ended, { code: 0 })
})

t.test('dev takes the processes of the folder and a database that is given', async t => {
  const { url } = await createDatabase(t, { template: false })
  const cwd = await makeOpenFolder(t)
  await writeFile(
    join(cwd, 'processes.yaml'),
    'name: own\nsteps: [{ name: go, run: [echo, hi] }]\n',
  )
  const args = ['dev', '--processes', 'processes.yaml']
  const dev = await startServerProcess(t, { args, cwd, env: { DATABASE_URL: url } })
  const own = await runBinary(t, ['enqueue', 'own', '--follow'], { cwd })
  t.equal(own.code, 0)
  t.match(own.stdout, 'go | hi')
  t.match(JSON.parse(await readFile(join(cwd, '.cluster-worker/dev.json'), 'utf8')), {
    databaseUrl: url,
  })
  dev.kill('SIGTERM')
  t.match(await dev.ended, { code: 0 })
  t.notOk((await readdir(join(cwd, '.cluster-worker'))).includes('postgres'))
})

t.test('a development database that does not run any more is said', async t => {
  const cwd = await makeOpenFolder(t)
  const dev = await startServerProcess(t, { args: ['dev', '--log-level', 'info'], cwd })
  dev.kill('SIGTERM')
  await dev.ended
  await writeFile(
    join(cwd, '.cluster-worker/dev.json'),
    JSON.stringify({ databaseUrl: `postgresql://cluster@/postgres?host=${cwd}` }),
  )
  const { code, stderr } = await runBinary(t, ['list'], { cwd })
  t.equal(code, 69)
  t.match(stderr, /the development database of .* does not run; start it with cluster-worker dev/)
  await writeFile(join(cwd, '.cluster-worker/dev.json'), '{')
  const broken = await runBinary(t, ['list'], { cwd })
  t.equal(broken.code, 78)
  t.match(broken.stderr, /dev\.json to be written by cluster-worker dev/)
})

t.test('dev that is interrupted while it sets up leaves no database running', async t => {
  const cwd = await makeOpenFolder(t)
  const dev = await spawnServerProcess(t, { args: ['dev'], cwd })
  const data = join(cwd, '.cluster-worker/postgres')
  await until(() =>
    readdir(data).then(
      names => names.length > 0,
      () => false,
    ),
  )
  dev.kill('SIGINT')
  t.match(await dev.ended, { code: 130 })
  t.notOk((await readdir(join(data, 'data'))).includes('postmaster.pid'))
})

t.test('dev with a definition that is wrong leaves no database behind', async t => {
  const cwd = await makeOpenFolder(t)
  const dev = await spawnServerProcess(t, { args: ['dev', '--processes', 'missing.ts'], cwd })
  t.match(await dev.ended, { code: 78, stderr: /missing\.ts/ })
  await t.rejects(readdir(join(cwd, '.cluster-worker')), { code: 'ENOENT' })
  await rm(cwd, { recursive: true })
})
