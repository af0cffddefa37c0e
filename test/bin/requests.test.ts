import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { makeFolder, runBinary, type Outcome, type Surroundings } from '../support/binary.ts'
import { createDatabase } from '../support/database.ts'
import { startServerProcess } from '../support/server-process.ts'

const execute = promisify(execFile)

t.setTimeout(180_000)

const { url, pool } = await createDatabase(t)
const processes = resolve('test/bin/processes')
await startServerProcess(t, {
  args: ['start', '--node-id', 'a', '--processes', processes, '--database-url', url],
})

function run(words: string[], surroundings: Surroundings = {}): Promise<Outcome> {
  return runBinary(t, words, { ...surroundings, env: { DATABASE_URL: url, ...surroundings.env } })
}

async function json(words: string[]): Promise<unknown> {
  const { stdout } = await run([...words, '--json'])
  return JSON.parse(stdout)
}

const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

t.test('enqueue prints the bare id, and with --json an object', async t => {
  const { code, stdout, stderr } = await run(['enqueue', 'say'])
  t.equal(code, 0)
  t.match(stdout, /^[1-9]\d*\n$/)
  t.equal(stderr, '')
  const words = ['enqueue', 'say', '--key', 'once', '--input', '{"text":"same"}']
  const first = (await json(words)) as { id: string }
  t.strictSame(first, { id: first.id, created: true })
  t.strictSame(await json(words), { id: first.id, created: false })
})

t.test('enqueue --wait says by its exit code whether the request succeeded', async t => {
  const good = await run(['enqueue', 'say', '--wait'])
  t.equal(good.code, 0)
  t.match(good.stdout, /^\d+\n$/)
  t.match(good.stderr, /^request \d+ succeeded/)
  t.notMatch(good.stderr, '\u001b')
  const bad = await run(['enqueue', 'fail', '--wait'])
  t.equal(bad.code, 1)
  t.match(bad.stderr, /^request \d+ failed \(step_failed\) .*\nSee cluster-worker show \d+/)
})

t.test('show --json is the whole record, and so is enqueue --wait --json', async t => {
  const waited = await run(['enqueue', 'fail', '--wait', '--json', '--priority', '-5'])
  const record = JSON.parse(waited.stdout) as { id: string }
  const step = { kind: 'function', startedAt: isMoment, finishedAt: isMoment, exitCode: null }
  t.match(record, {
    id: /^\d+$/,
    process: 'fail',
    input: {},
    state: 'finished',
    outcome: 'failed',
    reason: 'step_failed',
    error: { code: 'CW_STEP_FAILED', message: String },
    node: 'a',
    incarnation: /^\d+$/,
    priority: -5,
    enqueuedAt: isMoment,
    startedAt: isMoment,
    finishedAt: isMoment,
    result: null,
    steps: [
      { ...step, name: 'first', state: 'succeeded', error: null },
      { ...step, name: 'second', kind: 'command', state: 'failed', exitCode: 3, error: {} },
      { ...step, name: 'first', phase: 'undo', state: 'succeeded' },
    ],
  })
  t.strictSame(await json(['show', record.id]), record)
  // Behind -- is an argument too.
  const shown = await run(['show', '--', record.id])
  t.equal(shown.code, 0)
  t.match(shown.stdout, `Request ${record.id}: fail failed (step_failed)`)
  t.match(shown.stdout, /^second +command +failed +3 /m)
  t.match(shown.stdout, /^undo first +function +succeeded/m)
})

t.test('enqueue takes its input from a file and from stdin', async t => {
  const folder = await makeFolder(t)
  await writeFile(join(folder, 'input.json'), '\ufeff{"text":"from a file"}')
  const file = ['enqueue', 'say', '--wait', '--json', '--input-file', 'input.json']
  const fromFile = await run(file, { cwd: folder })
  t.match(JSON.parse(fromFile.stdout), { result: { said: 'from a file' } })
  const fromStdin = await run(['enqueue', 'say', '--wait', '--json', '--input-file', '-'], {
    stdin: '{"text":"from stdin"}',
  })
  t.match(JSON.parse(fromStdin.stdout), { result: { said: 'from stdin' } })
})

t.test('enqueue --follow prints the log and ends like --wait', async t => {
  const input = JSON.stringify({ text: 'two\nlines' })
  const { code, stdout, stderr } = await run(['enqueue', 'say', '--follow', '--input', input])
  t.equal(code, 0)
  t.match(stdout, /^\d+\nout \| two\nout \| lines\nerr \| two\nerr \| lines\n$/)
  t.match(stderr, /^request \d+ succeeded/)
  const bad = await run(['enqueue', 'fail', '-f'])
  t.equal(bad.code, 1)
  t.match(bad.stdout, 'second | broken\nundo first | undone\n')
})

t.test('a wait that takes too long ends with 75, and the request goes on', async t => {
  const pipe = join(await makeFolder(t), 'pipe')
  await execute('mkfifo', [pipe])
  const gate = ['enqueue', 'gate', '--input', JSON.stringify({ pipe }), '--timeout', '100ms']
  const waited = await run([...gate, '--wait'])
  t.equal(waited.code, 75)
  t.match(waited.stderr, '[CW_WAIT_TIMEOUT]')
  const followed = await run([...gate, '--follow', '--json'])
  t.equal(followed.code, 75)
  const { id, outcome } = JSON.parse(followed.stdout) as { id: string; outcome: null }
  t.equal(outcome, null, 'the one document tells the id and the state')
  for (const request of [waited.stdout.trim(), id]) {
    t.strictSame(await json(['cancel', request]), { id: request, answer: 'requested' })
    const log = await run(['logs', request, '--follow'])
    t.equal(log.code, 0, 'follows until the request has finished')
    t.match(log.stdout, 'announce | at the gate\n')
    t.match(await json(['show', request]), { state: 'finished', outcome: 'cancelled' })
    t.strictSame(await json(['cancel', request]), { id: request, answer: 'finished' })
  }
  t.match((await run(['cancel', id])).stdout, `Request ${id} had finished before.`)
})

t.test('logs shows lines with their steps, the text alone, or JSON', async t => {
  const hostile = 'a\u001b[31mb\rc\u0007\u009bd'
  const input = JSON.stringify({ text: hostile })
  const id = (await run(['enqueue', 'say', '--wait', '--input', input])).stdout.trim()
  const lines = await run(['logs', id])
  const escaped = String.raw`a\x1b[31mb\rc\x07\x9bd`
  t.equal(lines.stdout, `out | ${escaped}\nerr | ${escaped}\n`)
  t.equal((await run(['logs', id, '--raw'])).stdout, `${hostile}\n${hostile}\n`)
  const { stdout } = await run(['logs', id, '--json'])
  t.match(JSON.parse(stdout), [
    { seq: 1, step: 'out', stream: 'stdout', at: isMoment, text: `${hostile}\n` },
    { seq: 2, step: 'err', stream: 'stderr', at: isMoment, text: `${hostile}\n` },
  ])
  const shown = await run(['show', id])
  for (const text of [stdout, shown.stdout]) t.notMatch(text, /[^\P{Cc}\n]/u)
})

t.test('list filters, pages and prints a table or JSON', async t => {
  const all = (await json(['list'])) as { id: string }[]
  t.ok(all.length > 5)
  t.match(all[0], { id: String, process: String, state: String, enqueuedAt: isMoment })
  t.strictSame(await json(['list', '--limit', '2', '--before', all[1]?.id ?? '']), all.slice(2, 4))
  const failed = ['list', '--process', 'fail', '--state', 'finished', '--outcome', 'failed']
  const [first, ...more] = (await json([...failed, '--node', 'a'])) as { outcome: string }[]
  t.match([first, ...more], [{ process: 'fail', outcome: 'failed', node: 'a' }])
  t.strictSame(await json([...failed, '--node', 'b']), [])
  const table = await run(failed)
  t.match(table.stdout, /^ *ID +PROCESS +STATE .*\n *\d+ +fail +failed +step_failed +a +\d{4}-/)
  const none = await run(['list', '--process', 'nobody knows it'])
  t.equal(none.code, 0)
  t.equal(none.stdout, '')
  t.match(none.stderr, 'no such requests')
})

t.test('a request that waits is cancelled at once', async t => {
  const later = ['enqueue', 'say', '--run-at', '2999-01-01T00:00:00Z']
  const id = (await run(later)).stdout.trim()
  t.match(await json(['list', '--state', 'scheduled']), [{ id, runAt: '2999-01-01T00:00:00.000Z' }])
  const { code, stdout } = await run(['cancel', id])
  t.equal(code, 0)
  t.equal(stdout, `Request ${id} is cancelled; it had not started.\n`)
  const zone = await run(['enqueue', 'say', '--run-at', 'tomorrow'])
  t.equal(zone.code, 2)
  t.match(zone.stderr, 'expected runAt to be')
})

t.test('nodes tells what each server runs and ran', async t => {
  const [node, ...more] = (await json(['nodes'])) as object[]
  t.strictSame(more, [])
  t.match(node, {
    node: 'a',
    state: 'active',
    concurrency: 10,
    running: 0,
    claimed: Number,
    succeeded: Number,
    failed: Number,
    startedAt: isMoment,
    endedAt: null,
  })
  t.match(
    (await run(['nodes'])).stdout,
    /^NODE +ROLE +STATE .*\na +active +active +\S+ \S+ +0\/10 /,
  )
})

t.test('a request that there is not is a wrong command line', async t => {
  for (const command of ['show', 'logs', 'cancel']) {
    const { code, stdout, stderr } = await run([command, '999999'])
    t.equal(code, 2)
    t.equal(stdout, '')
    t.equal(stderr, 'error: there is no request 999999 [CW_REQUEST_UNKNOWN]\n')
  }
})

t.test('an unknown process is refused with the known names, unless it is allowed', async t => {
  const { code, stdout, stderr } = await run(['enqueue', 'sai'])
  t.equal(code, 2)
  t.equal(stdout, '')
  t.match(stderr, /named 'sai' \(did you mean say\?\); known are fail, gate, say; .*\[CW_UNKNOWN/)
  // Not a file of arguments, and not a path either.
  t.match((await run(['enqueue', '@file'])).stderr, "named '@file'")
  const { rows } = await pool.query('select from cluster_worker.lane where process <> all ($1)', [
    ['fail', 'gate', 'say'],
  ])
  t.equal(rows.length, 0)
  t.equal((await run(['enqueue', 'sai', '--allow-unknown'])).code, 0)
})

t.test('an input that does not fit names the field', async t => {
  const { code, stderr } = await run(['enqueue', 'say', '--input', '{"text":5}'])
  t.equal(code, 2)
  t.match(stderr, /input\.text: .* \[CW_INPUT_INVALID\]/)
})

t.test('a key that was used for another input is refused', async t => {
  const words = ['enqueue', 'say', '--key', 'clash', '--input']
  t.equal((await run([...words, '{"text":"one"}'])).code, 0)
  const { code, stderr } = await run([...words, '{"text":"two"}'])
  t.equal(code, 1)
  t.match(stderr, '[CW_IDEMPOTENCY_CONFLICT]')
})
