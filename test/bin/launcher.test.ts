import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'

t.test('runs the source in a clone, with the arguments', async t => {
  const { launcher } = await makePackage(t, {
    'bin/main.ts': sayWhere('source'),
    'dist/bin/main.js': sayWhere('built'),
  })
  t.match(await run([launcher, 'a', '--b']), { code: 0, stdout: 'source a --b\n' })
})

t.test('runs the built file where there is no source, also through a link', async t => {
  const { root, launcher } = await makePackage(t, { 'dist/bin/main.js': sayWhere('built') })
  const link = join(root, 'link')
  await symlink(launcher, link)
  t.match(await run([link, 'a']), { code: 0, stdout: 'built a\n' })
})

t.test('does not take a fault in the source for a missing source', async t => {
  const { launcher } = await makePackage(t, {
    'bin/main.ts': "import './missing.ts'\nexport const main = () => {}\n",
    'dist/bin/main.js': sayWhere('built'),
  })
  t.match(await run([launcher]), { code: 1, stdout: '', stderr: /missing\.ts/ })
})

t.test('accepts the oldest Node.js that is good enough', async t => {
  const { launcher, pretend } = await makePackage(t, { 'bin/main.ts': sayWhere('source') })
  t.match(await run([...(await pretend('22.19.0')), launcher]), { code: 0, stdout: 'source\n' })
})

for (const version of ['12.22.12', '20.20.2', '22.18.0'])
  t.test(`refuses Node.js ${version} in one sentence`, async t => {
    const { launcher, pretend } = await makePackage(t, { 'bin/main.ts': sayWhere('source') })
    t.match(await run([...(await pretend(version)), launcher]), refusal(version))
  })

const old = await findOldNode()
t.test('refuses the old Node.js of this machine', { skip: !old && 'there is none' }, async t => {
  const { launcher } = await makePackage(t, { 'bin/main.ts': sayWhere('source') })
  t.match(await run([launcher], old?.path), refusal(old?.version ?? ''))
})

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

/** What a program printed and how it ended; no code when it could not be started. */
function run(args: string[], node: string = process.execPath): Promise<Outcome> {
  // The hooks that tap gives to the children of its tests need a newer Node.js than some of these.
  const env = { ...process.env, NODE_OPTIONS: '' }
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const child = execFile(node, args, { env }, (_error, stdout, stderr) =>
    resolve({ code: child.exitCode, stdout, stderr }),
  )
  return promise
}

function refusal(version: string): { code: number; stdout: string; stderr: RegExp } {
  const found = version.replaceAll('.', String.raw`\.`)
  const sentence = `^cluster-worker needs Node\\.js 22\\.19 or newer, and /.* is ${found}: install .*\\.\\n$`
  return { code: 78, stdout: '', stderr: new RegExp(sentence) }
}

function sayWhere(where: string): string {
  return `export const main = async argv => console.log(['${where}', ...argv].join(' '))\n`
}

/** A package with the real launcher, and otherwise these files. */
async function makePackage(
  t: Test,
  files: Record<string, string>,
): Promise<{
  root: string
  launcher: string
  pretend: (version: string) => Promise<string[]>
}> {
  const root = await mkdtemp(join(tmpdir(), 'cw-launcher-'))
  t.teardown(() => rm(root, { recursive: true }))
  const launcher = join(root, 'bin/cluster-worker.js')
  const all = { 'package.json': '{ "type": "module" }', ...files, 'bin/cluster-worker.js': '' }
  for (const [path, text] of Object.entries(all)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  await copyFile(resolve('bin/cluster-worker.js'), launcher)
  const pretend = async (version: string): Promise<string[]> => {
    const path = join(root, 'pretend.cjs')
    await writeFile(
      path,
      `Object.defineProperty(process.versions, 'node', { value: '${version}' })\n`,
    )
    return ['--require', path]
  }
  return { root, launcher, pretend }
}

async function findOldNode(): Promise<{ path: string; version: string } | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'node')
    const { code, stdout } = await run(['--version'], path)
    const version = stdout.trim().replace('v', '')
    if (code === 0 && Number.parseInt(version) < 22) return { path, version }
  }
  return undefined
}
