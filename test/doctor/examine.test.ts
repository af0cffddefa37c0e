import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import t from 'tap'
import { Cluster, call, defineProcess } from '../../lib/index.ts'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'
import { runBinary } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { startServer } from '../support/server.ts'
import { found } from './look.ts'

t.setTimeout(180_000)

/** What a throw-away server of the tests, and other tests on this machine, may cause. */
const ofTests =
  / (fsync-off|full-page-writes-off|commits-not-durable|no-standby|unix-socket|setting-idle-in-transaction-session-timeout|process(es)?-.*|pipe-folders-left|disk-nearly-full|few-.*)$/

t.test('a server that works has nothing that the others do not have', async t => {
  const { url } = await createDatabase(t)
  const hello = defineProcess({ name: 'hello', steps: [call('greet', () => 'hello')] })
  const cluster = new Cluster({ connectionString: url, dataDir: t.testdir(), processes: [hello] })
  t.teardown(() => cluster.stop())
  await cluster.start()
  const { id } = await cluster.enqueue(hello)
  await cluster.wait(id)
  const findings = await cluster.doctor()
  found(
    t,
    findings.filter(({ level, name }) => !ofTests.test(`${level} ${name}`)),
    [],
  )
  const levels = findings.map(({ level }) => ['error', 'warning', 'note'].indexOf(level))
  t.same(
    levels,
    levels.toSorted((a, b) => a - b),
    'the worst first',
  )
})

t.test('the doctor changes nothing, and sees what is read-only', async t => {
  const { url, pool } = await createDatabase(t)
  const { rows } = await pool.query<{ name: string }>('select current_database() as name')
  await pool.query(`alter database ${rows[0]?.name} set default_transaction_read_only = on`)
  const { code, stdout } = await runBinary(t, ['doctor'], { env: { DATABASE_URL: url } })
  t.equal(code, 1)
  t.match(stdout, /^error {4}Default_transaction_read_only is on.*\[database-unfit\]$/m)
  t.match(stdout, /^ +alter database \w+ reset default_transaction_read_only;$/m)
  t.notMatch(stdout, 'not-examined')
})

t.test('a database that cannot be reached', async t => {
  const url = 'postgresql://nobody@127.0.0.1:1/nothing'
  const { code, stdout, stderr } = await runBinary(t, ['doctor'], { env: { DATABASE_URL: url } })
  t.equal(code, 1)
  t.match(
    stdout,
    /^error {4}The database cannot be reached: .*ECONNREFUSED.*\[database-unreachable\]$/m,
  )
  t.match(stderr, /^1 error, 0 warnings, \d+ notes?\.$/m)
})

t.test('a database that is not migrated, and a role without rights, as JSON', async t => {
  const { url } = await createDatabase(t, { template: false })
  const bare = await runBinary(t, ['doctor', '--json'], { env: { DATABASE_URL: url } })
  t.equal(bare.code, 1)
  t.equal(bare.stderr, '')
  const findings = JSON.parse(bare.stdout) as { name: string }[]
  t.match(
    findings.find(({ name }) => name === 'not-migrated'),
    {
      level: 'error',
      command: 'cluster-worker migrate',
    },
  )

  const { url: migrated, pool } = await createDatabase(t)
  const role = `cw_role_${randomBytes(4).toString('hex')}`
  await pool.query(`create role ${role} login password 'secret'`)
  t.teardown(() => dropRole(url, role))
  const asRole = migrated.replace(/^([a-z]+:\/\/)([^@/]*@)?/, `$1${role}:secret@`)
  const poor = await runBinary(t, ['doctor', '--json'], { env: { DATABASE_URL: asRole } })
  t.equal(poor.code, 1)
  const all = (JSON.parse(poor.stdout) as { name: string }[]).map(({ name }) => name)
  t.ok(all.includes('rights-missing'))
  t.ok(all.includes('not-examined'))
})

t.test('a standby', async t => {
  const server = await startServer(t)
  await server.stop('fast')
  await writeFile(join(server.folder, 'data', 'standby.signal'), '')
  const standby = await startPostgres({
    folder: server.folder,
    settings: { max_connections: '300' },
  })
  const { code, stdout } = await runBinary(t, ['doctor'], { env: { DATABASE_URL: standby.url } })
  t.equal(code, 1)
  t.match(stdout, /^error {4}.*standby.*\[database-\w+\]$/m)
})

async function dropRole(url: string, role: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`drop role ${role}`)
  await client.end()
}
