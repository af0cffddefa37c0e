import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { binary, plainEnvironment, runBinary, runInShell, type Outcome } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { startServerProcess } from '../support/server-process.ts'
import { until } from '../support/until.ts'

const execute = promisify(execFile)

t.setTimeout(180_000)

const processes = resolve('test/bin/processes')
const { url, pool } = await createDatabase(t)
await startServerProcess(t, {
  args: ['start', '--processes', processes, '--database-url', url],
})
const env = { DATABASE_URL: url }
const said = await runBinary(t, ['enqueue', 'say', '--wait'], { env })
const id = said.stdout.trim()
const shown = await runBinary(t, ['show', id], { env })
const logged = await runBinary(t, ['logs', id], { env })

/** Runs a shell script in which `"$@"` is the binary. */
function inShell(t: Test, script: string, words: string[]): Promise<Outcome> {
  return runInShell(t, script, words, { env })
}

/** What somebody at a terminal sees. */
async function runOnTerminal(words: string[], prefix: string = ''): Promise<string> {
  const command = [prefix, ...binary, ...words].join(' ')
  const { stdout } = await execute('script', ['-qec', command, '/dev/null'], {
    env: plainEnvironment({ ...env, TERM: 'xterm-256color' }),
  })
  return stdout
}

/** Waits until the server has joined, and asks it to stop. */
async function endServer(node: string): Promise<void> {
  let pid: number | undefined
  await until(async () => {
    const { rows } = await pool.query<{ pid: number }>(
      'select pid from cluster_worker.incarnation where node = $1',
      [node],
    )
    pid = rows[0]?.pid
    return pid !== undefined
  })
  if (pid !== undefined) process.kill(pid, 'SIGTERM')
}

t.test('nothing is coloured where stdout is no terminal', async t => {
  for (const { stdout, stderr } of [said, shown, logged]) t.notMatch(stdout + stderr, '\u001b')
  t.equal(logged.stdout, 'out | nothing\nerr | nothing\n')
})

t.test('neither language, nor width, nor time zone, nor home matters', async t => {
  const odd: Record<string, string>[] = [
    { NO_COLOR: '1', TERM: 'dumb' },
    { COLUMNS: '1' },
    { COLUMNS: '0' },
    { LC_ALL: 'C', LANG: 'cs_CZ.UTF-8' },
    { HOME: '/nowhere', TMPDIR: '/nowhere' },
  ]
  for (const variables of odd) {
    const { code, stdout, stderr } = await runBinary(t, ['logs', id], {
      env: { ...env, ...variables },
    })
    t.match({ code, stdout, stderr }, { code: 0, stdout: logged.stdout, stderr: '' })
  }
  const { code } = await runBinary(t, ['show', id], { env: { ...env, TZ: 'No/Where' } })
  t.equal(code, 0)
  const narrow = await runBinary(t, ['--help'], { env: { COLUMNS: '1' } })
  t.equal(narrow.code, 0)
  t.match(narrow.stdout, 'cluster-worker nodes')
})

t.test('on a terminal it is coloured, unless that is not wanted', async t => {
  t.match(await runOnTerminal(['show', id]), '\u001b[1mRequest')
  t.notMatch(await runOnTerminal(['show', id], 'NO_COLOR=1'), '\u001b')
  t.notMatch(await runOnTerminal(['show', id], 'TERM=dumb'), '\u001b')
})

t.test(
  'waiting on a terminal shows one line that goes away, with any number of columns',
  async t => {
    for (const columns of [0, 1, 80]) {
      const stdout = await runOnTerminal(['enqueue', 'say', '--wait'], `stty cols ${columns};`)
      t.match(stdout, /request \d+ succeeded/)
      t.equal(stdout.includes('\r\u001b[K'), columns > 0)
    }
  },
)

t.test('a reader that has seen enough ends it quietly', async t => {
  const script = 'set -o pipefail; "$@" | head -c 1'
  for (const words of [['list', '--json'], ['logs', id], ['--help']]) {
    const { code, stdout, stderr } = await inShell(t, script, words)
    t.match({ code, stderr }, { code: 0, stderr: '' })
    t.equal(stdout.length, 1)
  }
})

t.test('output that cannot be written is an error', async t => {
  const { code, stderr } = await inShell(t, '"$@" >/dev/full', ['list'])
  t.equal(code, 1)
  t.match(stderr, /expected to write to the standard output, got: .*ENOSPC/)
})

t.test('a file that may not grow makes an error, not a crash', async t => {
  // The list is longer than the 1024 bytes that this allows.
  const { code, stderr } = await inShell(t, 'ulimit -f 1; "$@" >list', ['list', '--json'])
  t.equal(code, 1)
  t.match(stderr, /^error: EFBIG: file too large, write\n/)
})

t.test('closed streams do no harm', async t => {
  const { code, stdout } = await inShell(t, '"$@" <&-', ['list', '--json'])
  t.equal(code, 0)
  t.match(JSON.parse(stdout), [{ id: String }])
  t.equal((await inShell(t, '"$@" >&- 2>&-', ['list'])).code, 0)
  const input = await inShell(t, '"$@" <&-', ['enqueue', 'say', '--input-file', '-'])
  t.equal(input.code, 2)
  t.match(input.stderr, 'expected JSON from stdin, got nothing')
})

t.test('few open files and small files are enough', async t => {
  const words = ['enqueue', 'say', '--wait']
  for (const limit of ['ulimit -n 64', 'ulimit -f 1']) {
    const { code, stderr } = await inShell(t, `${limit}; "$@"`, words)
    t.equal(code, 0, limit)
    t.match(stderr, 'succeeded')
  }
})

t.test('a server lives with few open files', async t => {
  const words = ['start', '--node-id', 'few', '--processes', processes]
  const server = inShell(t, 'ulimit -n 64; exec "$@"', words)
  await endServer('few')
  t.match(await server, { code: 0 })
})

t.test('on a terminal the log of a server is for people', async t => {
  const seeing = runOnTerminal(['start', '--node-id', 'seen', '--processes', processes])
  await endServer('seen')
  t.match(await seeing, /\d\d:\d\d:\d\d\.\d{3}.*INFO.*server started/)
})
