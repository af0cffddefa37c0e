import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import type { Test } from 'tap'

t.setTimeout(90_000)

t.test('the demo loses a server, goes on, and cleans up', async t => {
  const folder = await makeFolder(t)
  const { stdout, stderr, exitCode } = await startDemo(folder)
  t.match({ exitCode, stderr }, { exitCode: 0, stderr: '' })
  t.match(stdout, /All came out as promised\.$/)
  t.match(stdout, /enqueued 40 requests: 20 deploy, 10 hello, 10 nightly-report/)

  const killed = /kill -9 \d+: (alpha|bravo|charlie), /.exec(stdout)?.[1] ?? ''
  const waits = Array.from(
    stdout.matchAll(/failed \(server_lost\) +(\d+) +ms after the kill/g),
    ([, ms]) => Number(ms),
  )
  t.ok(waits.length >= 2, 'the server was killed while it ran two requests', { waits })
  t.ok(Math.max(...waits) < 1900, 'its guardian reported it before lostAfter was over', { waits })
  t.ok(Math.max(...waits) < 10_000, 'its requests failed soon', { waits })
  t.match(stdout, / 5 of which were enqueued after it/)

  const undone = stdout.match(/ undone by request \d+: succeeded$/gm)?.length ?? 0
  t.ok(undone >= 1, 'what the killed server had deployed was undone')

  const servers = readServers(stdout)
  t.strictSame(
    servers.map(({ node, state }) => [node, state]),
    ['alpha', 'bravo', 'charlie'].map(node => [node, node === killed ? 'lost' : 'left']),
  )
  for (const { node, claimed, ended } of servers)
    t.equal(claimed, ended, `all that ${node} claimed has ended`)
  t.equal(
    servers.reduce((sum, { claimed }) => sum + claimed, 0),
    45 + undone,
    'every request was claimed once, and so was what undoes the lost ones',
  )

  t.match(stdout, /^ +undo +build +succeeded$/m)
  t.match(stdout, /^ +on failure +notify +succeeded$/m)
  t.match(stdout, / failed and were undone +0 +left anything$/m)
  t.match(stdout, / requests were started +0 +more than once$/m)
  t.strictSame(await readdir(folder), [], 'nothing is left')
})

t.test('an interrupted demo cleans up too', async t => {
  const folder = await makeFolder(t)
  const demo = startDemo(folder)
  for await (const line of demo) if (line.includes('enqueued 40')) demo.kill('SIGINT')
  const { exitCode, stdout } = await demo
  t.equal(exitCode, 130)
  t.match(stdout, /interrupted by SIGINT$/)
  t.strictSame(await readdir(folder), [], 'nothing is left')
})

function startDemo(folder: string) {
  return execa(process.execPath, ['examples/demo/demo.ts'], {
    // Not the hooks that tap gives to the children of its tests.
    env: { TMPDIR: folder, NODE_OPTIONS: '' },
    reject: false,
  })
}

/** The table of servers. */
function readServers(stdout: string) {
  const row = /^ +(alpha|bravo|charlie) +(\w+) +(\d+) +(\d+) +(\d+) +(\d+)$/gm
  return Array.from(stdout.matchAll(row), ([, node, state, ...figures]) => {
    const [claimed = 0, ...endings] = figures.map(Number)
    return { node, state, claimed, ended: endings.reduce((sum, count) => sum + count, 0) }
  })
}

async function makeFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cw-demo-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}
