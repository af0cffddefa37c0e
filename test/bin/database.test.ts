import { chmod, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Client } from 'pg'
import t, { type Test } from 'tap'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { makeFolder, runBinary, type Outcome } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'

t.setTimeout(180_000)

const processes = resolve('test/bin/processes')

/** Nobody listens there. */
const unreachable = 'postgresql://nobody@127.0.0.1:1/nothing'

function run(t: Test, url: string, ...words: string[]): Promise<Outcome> {
  return runBinary(t, words, { env: { DATABASE_URL: url } })
}

t.test('migrate says what it did, and that nothing is left to do', async t => {
  const { url } = await createDatabase(t, { template: false })
  const first = await run(t, url, 'migrate')
  t.equal(first.code, 0)
  t.match(first.stdout, /^applied 001_rooms\napplied 002_functions\n/)
  const second = await run(t, url, 'migrate')
  t.equal(second.code, 0)
  t.equal(second.stdout, 'The schema "cluster_worker" is up to date.\n')
  const other = await run(t, url, 'migrate', '--schema', 'another_one')
  t.match(other.stdout, /^applied 001_rooms\n/)
  t.equal((await run(t, url, 'list', '--schema', 'another_one', '--json')).stdout, '[]\n')
})

t.test('a database that cannot be reached is said by the code 69', async t => {
  for (const words of [
    ['list'],
    ['migrate'],
    ['check'],
    ['start', '--processes', processes],
    ['enqueue', 'say'],
  ]) {
    const { code, stdout, stderr } = await run(t, unreachable, ...words)
    t.equal(code, 69, words.join(' '))
    t.match(stdout + stderr, /cannot be reached: .*ECONNREFUSED.* \[CW_CONNECTION\]\n$/)
  }
})

t.test('a database that does not exist is said by the code 78', async t => {
  const { url } = await createDatabase(t, { template: false })
  const { code, stderr } = await run(t, url.replace(/\/[^/?]*\?/, '/no_such_database?'), 'list')
  t.equal(code, 78)
  t.match(stderr, /no_such_database.* create it, .*\[CW_DATABASE_UNFIT\]/)
})

t.test('a schema that is missing is said by the code 78', async t => {
  const { url } = await createDatabase(t, { template: false })
  for (const words of [['list'], ['nodes'], ['show', '1'], ['enqueue', 'say'], ['cancel', '1']]) {
    const { code, stderr } = await run(t, url, ...words)
    t.equal(code, 78, words.join(' '))
    t.match(stderr, /run: cluster-worker migrate \[CW_NOT_MIGRATED\]\n$/)
  }
})

t.test('a schema that a later version made is left alone', async t => {
  const { url, pool } = await createDatabase(t)
  await pool.query(`
    insert into cluster_worker.migration (name, batch, migration_time)
    values ('999_later', 9, now())`)
  for (const words of [['migrate'], ['start', '--processes', processes], ['check']]) {
    const { code, stdout, stderr } = await run(t, url, ...words)
    t.equal(code, 78, words.join(' '))
    t.match(stdout + stderr, /has 999_later, which this version does not know.*\[CW_SCHEMA_NEWER\]/)
  }
})

t.test('a password may hold any character', async t => {
  const folder = await makeFolder(t)
  const password = 'p@ss/w%rd: ?#ö'
  // Somebody else runs the server, and must be able to read who may come in how.
  await chmod(folder, 0o755)
  const hba = join(folder, 'pg_hba.conf')
  await writeFile(hba, 'local all cluster trust\nlocal all all scram-sha-256\n')
  const server = await startPostgres({
    folder: join(folder, 'postgres'),
    durable: false,
    settings: { hba_file: hba },
  })
  t.teardown(() => server.stop('immediate'))
  const client = new Client({ connectionString: server.url })
  await client.connect()
  await client.query(`create role guest login superuser password '${password}'`)
  await client.end()
  const as = (given: string): string =>
    server.url.replace('cluster@', `guest:${encodeURIComponent(given)}@`)
  const { code, stdout, stderr } = await run(t, as(password), 'migrate')
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.match(stdout, 'applied 001_rooms')
  const wrong = await run(t, as('wrong-pass-word'), 'list')
  t.equal(wrong.code, 69)
  t.match(wrong.stderr, /check the user and password in the database URL \[CW_CONNECTION\]/)
  t.notMatch(wrong.stderr, 'wrong-pass-word')
})

t.test('check has a line for each thing', async t => {
  const { url } = await createDatabase(t)
  const { code, stdout, stderr } = await run(t, url, 'check', '--processes', processes)
  t.equal(code, 0)
  t.equal(stderr, '')
  const lines = stdout.trimEnd().split('\n')
  t.strictSame(
    lines.map(line => line.split(/ +/, 2)),
    ['configuration', 'definitions', 'database', 'set-up', 'schema', 'writing', 'store'].map(
      name => ['ok', name],
    ),
  )
  t.match(lines[1], 'fail, gate, say')
  t.match(lines[2], /PostgreSQL \d+/)
})

t.test('check says what is wrong and goes on', async t => {
  const { url, pool } = await createDatabase(t, { template: false })
  const wrong = await run(t, url, 'check', '--processes', 'missing.ts')
  t.equal(wrong.code, 78)
  t.match(wrong.stdout, /^failed {2}definitions .*missing\.ts.*\[CW_DEFINITION\]$/m)
  t.match(wrong.stdout, /^ok {6}database /m)
  t.match(wrong.stdout, /^failed {2}schema .*run: cluster-worker migrate \[CW_NOT_MIGRATED\]$/m)
  const { rows } = await pool.query<{ name: string }>('select current_database() as name')
  await pool.query(`alter database ${rows[0]?.name} set default_transaction_read_only to on`)
  const readOnly = await run(t, url, 'check')
  t.equal(readOnly.code, 78)
  t.match(readOnly.stdout, /^failed {2}set-up .*default_transaction_read_only is on/m)
})

t.test('check reports every fault of a configuration file where it is', async t => {
  const folder = await makeFolder(t)
  await writeFile(
    join(folder, 'cluster-worker.config.yaml'),
    'concurency: 5\npollInterval: 5 minutes\n',
  )
  const { code, stdout } = await runBinary(t, ['check'], { cwd: folder })
  t.equal(code, 78)
  t.match(stdout, 'cluster-worker.config.yaml:1:1 concurency: unknown key')
  t.match(stdout, /cluster-worker\.config\.yaml:2:\d+ pollInterval: expected a duration/)
})
