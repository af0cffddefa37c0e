import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import t from 'tap'
import { exitCodeOf } from '../bin/exit-code.ts'
import { insertOptions } from '../docs/write-options.ts'
import { ClusterError, errorCodes, type ErrorCode } from '../lib/errors.ts'
import { Cluster, call, defineProcess } from '../lib/index.ts'
import { createDatabase } from './support/database.ts'
import { until } from './support/until.ts'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '..')

t.test('docs/errors.md explains each error code once, in order, and no other one', async t => {
  const sections = await errorSections()
  t.same(
    sections.map(({ code }) => code),
    Object.keys(errorCodes).toSorted(),
  )
})

t.test('docs/errors.md has the sentence and the exit code of each error', async t => {
  for (const { code, text } of await errorSections()) {
    const known = code as ErrorCode
    t.match(text, `\n\n${errorCodes[known]}\n`, `${code}: sentence`)
    const exitCode = exitCodeOf(new ClusterError(known, ''))
    t.match(text, `- **Exit code**: ${exitCode}\n`, `${code}: exit code`)
  }
})

t.test('docs/options.md is up to date', async t => {
  const page = await read('docs/options.md')
  t.equal(page, insertOptions(page), 'run: node docs/write-options.ts')
})

t.test('each relative link leads to a file, and to a heading that it has', async t => {
  for (const page of await listPages()) {
    const text = await read(page)
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      await t.resolves(access(join(root, file)), `${page}: ${target}`)
      if (anchor) t.ok((await anchorsOf(file)).includes(anchor), `${page}: ${target}`)
    }
  }
})

t.test('the program of the README compiles, runs and prints what it says', async t => {
  const [program = ''] = blocksOf(await read('README.md'), 'ts')
  const { url } = await createDatabase(t, { template: false })
  // Inside the package, so that it finds the package by its own name.
  const folder = join(root, `.tap/readme-${randomBytes(4).toString('hex')}`)
  await mkdir(folder, { recursive: true })
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'program.ts'), program)
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: relative(folder, join(root, 'tsconfig.json')), include: ['*.ts'] }),
  )
  const tsc = join(root, 'node_modules/.bin/tsc')
  // Through env, because tap adds options to every program that a test starts, which tsc does not bear.
  await t.resolves(execute('env', ['NODE_OPTIONS=', tsc, '-p', folder]), 'compiles')
  const { stdout } = await execute(
    process.execPath,
    ['--conditions=cluster-worker-source', 'program.ts'],
    { cwd: folder, env: { PATH: process.env['PATH'], NODE_OPTIONS: '', DATABASE_URL: url } },
  )
  const promised = /console\.log\(.*\) \/\/ (.*)/.exec(program)?.[1]
  t.equal(stdout, `${promised}\n`)
})

t.test('docs/sql.md lists the columns of request_status with their types', async t => {
  const { pool } = await createDatabase(t)
  const { rows } = await pool.query<{ name: string; type: string }>(`
    select attname as name, format_type(atttypid, null) as type from pg_attribute
    where attrelid = 'cluster_worker.request_status'::regclass and attnum > 0 order by attnum`)
  const [, section = ''] = (await read('docs/sql.md')).split('## The view request_status')
  const listed = [...section.split('## Errors')[0]!.matchAll(/^\| `(\w+)` \| `(\w+)` \|/gm)]
  t.same(
    listed.map(([, name, type]) => [
      name,
      type === 'timestamptz' ? 'timestamp with time zone' : type,
    ]),
    rows.map(({ name, type }) => [name, type]),
  )
})

t.test('with the grants of docs/operations.md each role can do its work and no more', async t => {
  const { url, pool } = await createDatabase(t, { template: false })
  const section = (await read('docs/operations.md')).split('## Roles and grants')[1] ?? ''
  const [asAdministrator = '', asOwner = ''] = blocksOf(section, 'sql')
  const suffix = randomBytes(4).toString('hex')
  const password = randomBytes(12).toString('hex')
  const own = (sql: string): string =>
    sql
      .replaceAll(/cluster_(owner|server|app|reader)\b/g, `cw_$1_${suffix}`)
      .replaceAll(/\blogin\b/g, `login password '${password}'`)
  const roles = ['owner', 'server', 'app', 'reader'].map(role => `cw_${role}_${suffix}`)
  await pool.query(own(asAdministrator))
  t.teardown(() => dropRoles(url, roles))
  const [owner, server, app, reader] = roles.map(role => urlOf(url, role, password)) as [
    string, string, string, string,
  ] // prettier-ignore

  const hello = defineProcess({ name: 'hello', steps: [call('greet', () => 'hello')] })
  const open = (connectionString: string): Cluster => {
    const dataDir = join(t.testdirName, 'data')
    const cluster = new Cluster({ connectionString, nodeId: 'a', dataDir, processes: [hello] })
    t.teardown(() => cluster.stop())
    return cluster
  }
  t.ok((await open(owner).migrate()).length > 0, 'the owner migrates')
  await runAs(owner, own(asOwner))
  const serving = open(server)
  await serving.start()

  const { id } = await open(app).enqueue('hello', {}, { idempotencyKey: 'one' })
  t.same(
    await open(app).enqueue('hello', {}, { idempotencyKey: 'one' }),
    { id, created: false },
    'an application enqueues',
  )
  await open(app).enqueue('hello', {}, { runAt: '2100-01-01T00:00:00Z' })
  t.equal((await open(reader).wait(id)).outcome, 'succeeded', 'a reader waits and shows')
  t.equal((await open(reader).nodes())[0]?.state, 'active', 'a reader sees the nodes')
  t.equal((await open(reader).list()).length, 2, 'a reader lists')
  t.equal(await serving.cancel(id), 'finished', 'a server cancels')

  // The housekeeping makes its tables in the background.
  await until(async () => {
    const { rows } = await pool.query("select to_regclass('cluster_worker_boss.schedule') as made")
    return rows[0]?.made !== null
  })

  const refused = { code: 'CW_DATABASE_UNFIT' }
  await t.rejects(open(reader).enqueue('hello'), refused, 'a reader enqueues nothing')
  await t.rejects(open(reader).cancel(id), refused, 'a reader cancels nothing')
  await t.rejects(open(app).list(), refused, 'an application lists nothing')
  await t.rejects(open(app).cancel(id), refused, 'an application cancels nothing')
  await t.rejects(open(app).enqueue('other', {}, { allowUnknown: true }), refused)
  for (const sql of [
    'delete from cluster_worker.queue',
    "update cluster_worker.request set input = '1'",
    "insert into cluster_worker.finished (id, outcome) values (1, 'succeeded')",
    'select * from cluster_worker.log',
    'create table cluster_worker.mine ()',
  ])
    await t.rejects(runAs(app, sql), { code: '42501' }, `an application: ${sql}`)
  await serving.stop()
})

async function errorSections(): Promise<{ code: string; text: string }[]> {
  const [, ...sections] = (await read('docs/errors.md')).split(/^## /m)
  return sections.map(text => ({ code: text.split('\n')[0] ?? '', text }))
}

async function listPages(): Promise<string[]> {
  const names = await Promise.all(
    ['.', 'docs', 'docs/decisions'].map(async folder =>
      (await readdir(join(root, folder))).map(name => join(folder, name)),
    ),
  )
  return names.flat().filter(name => name.endsWith('.md'))
}

/** The anchors that GitHub makes of headings. */
async function anchorsOf(page: string): Promise<string[]> {
  const headings = (await read(page)).matchAll(/^#+ (.*)$/gm)
  return Array.from(headings, ([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

function blocksOf(text: string, language: string): string[] {
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))
  return Array.from(blocks, ([, block = '']) => block)
}

function read(page: string): Promise<string> {
  return readFile(join(root, page), 'utf8')
}

function urlOf(url: string, role: string, password: string): string {
  return url.replace(/^([a-z]+:\/\/)([^@/]*@)?/, `$1${role}:${password}@`)
}

async function runAs(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** Roles belong to the whole server, so they must go before the database does. */
async function dropRoles(url: string, roles: readonly string[]): Promise<void> {
  await runAs(
    url,
    roles.map(role => `drop owned by ${role} cascade; drop role ${role};`).join('\n'),
  )
}
