import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { startPostgres } from '../../lib/dev/embedded-postgres.ts'

// Packs the package, installs the archive into an empty project as a stranger would, and uses it there: the
// binary, the library and its test helpers against a real database, and the types with TypeScript.

const program = `
import { z } from 'zod'
import { Cluster, call, command, defineProcess, type RequestRecord } from 'cluster-worker'

const greet = call('greet', ({ input }: { input: { name: string } }) => ({ text: 'hello ' + input.name }))
const hello = defineProcess({
  name: 'hello',
  input: z.object({ name: z.string() }),
  steps: [greet, command('echo', { run: ['echo', ({ output }) => output(greet).text, ({ input }) => input.name] })],
})
const cluster = new Cluster({ connectionString: process.env['DATABASE_URL'] ?? '', processes: [hello], nodeId: 'a' })
await cluster.migrate()
await cluster.start()
const { id } = await cluster.enqueue(hello, { name: 'world' })
const record: RequestRecord = await cluster.wait(id, { timeout: '30s' })
console.log(record.outcome, JSON.stringify(record.result))
await cluster.stop()
`

const testing = `
import { openTestbed, type Testbed, type TestServer } from 'cluster-worker/testing'

const bed: Testbed = await openTestbed({ databaseUrl: process.env['DATABASE_URL'] })
const server: TestServer = await bed.startServer({ processes: ['tested.yaml'], killAt: { step: 'second' } })
await bed.cluster.enqueue('tested')
const { reason } = await bed.waitForRequest({ process: 'tested' })
console.log(reason, await server.ended)
await bed.end()
`

const tested = `
name: tested
steps:
  - { name: first, run: ['true'] }
  - { name: second, run: ['true'] }
`

const tsconfig = {
  compilerOptions: {
    module: 'nodenext',
    target: 'es2024',
    strict: true,
    noEmit: true,
    types: ['node'],
    typeRoots: [resolve('node_modules/@types')],
  },
}

const folder = await mkdtemp(join(tmpdir(), 'cluster-worker-package-'))
const postgres = await startPostgres({ folder: join(folder, 'postgres') })
const env = { DATABASE_URL: postgres.url }
try {
  await execa('npm', ['pack', '--pack-destination', folder, '--ignore-scripts'])
  const archive = (await readdir(folder)).find(file => file.endsWith('.tgz')) ?? ''
  const project = join(folder, 'project')
  const inProject = { cwd: project, env, preferLocal: false } as const
  await writeProject(project)
  await execa(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, archive), 'zod@4.6.7'],
    // A registry that does not answer would keep npm for ever.
    { ...inProject, timeout: 300_000 },
  )
  await execa('tsc', ['-p', '.'], { ...inProject, preferLocal: true, localDir: resolve('.') })
  const binary = join(project, 'node_modules', '.bin', 'cluster-worker')
  const version = await execa(process.execPath, [binary, '--version'], inProject)
  expect(version.stdout, /^\d+\.\d+\.\d+/)
  await execa(process.execPath, [binary, 'migrate'], inProject)
  const run = await execa(process.execPath, ['main.ts'], inProject)
  expect(run.stdout, /^succeeded .*hello world world/m)
  const lost = await execa(process.execPath, ['testing.ts'], inProject)
  expect(lost.stdout, /^server_lost SIGKILL$/m)
  const shown = await execa(process.execPath, [binary, 'show', '1', '--json'], inProject)
  expect(shown.stdout, /"outcome": ?"succeeded"/)
  console.log('the package works when it is installed from its archive')
} finally {
  await postgres.stop('immediate')
  await rm(folder, { recursive: true, force: true })
  await rm(postgres.folder, { recursive: true, force: true })
}

async function writeProject(project: string): Promise<void> {
  await execa('mkdir', ['-p', project])
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }')
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(tsconfig))
  await writeFile(join(project, 'main.ts'), program)
  await writeFile(join(project, 'testing.ts'), testing)
  await writeFile(join(project, 'tested.yaml'), tested)
}

function expect(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`expected output that matches ${pattern}, got:\n${text}`)
}
