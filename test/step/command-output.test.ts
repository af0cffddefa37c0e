import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { command } from '../../lib/step/command.ts'
import { makeRun, perform } from './step-run.ts'

const { execPath } = process

function printing(bytes: number) {
  return command('a', { shell: `head -c ${bytes} /dev/zero | tr "\\0" x` })
}

function untilSeen(text: string): string {
  return `until [ -e ${text} ]; do sleep 0.01; done`
}

/** Writes these pieces, each after the one before was taken by the pipe's reader. */
function writing(...pieces: [fd: 1 | 2, bytes: number[]][]): [string, string, string, string] {
  const script = `
    const fs = require('node:fs')
    for (const [fd, bytes] of JSON.parse(process.argv[1])) fs.writeSync(fd, Buffer.from(bytes))`
  return [execPath, '-e', script, JSON.stringify(pieces)]
}

t.test(
  'what is no UTF-8, and NUL, become characters that can be stored; the rest stays',
  async t => {
    const run = makeRun(t)
    const escapes =
      '\u001b[31mred\u001b[0m\r50%\r100%\u001b]8;;http://x\u0007link\u001b]8;;\u0007\uFEFF'
    const utf16 = [...Buffer.from('é!', 'utf16le')]
    const pieces = [0xff, 0xfe, 0x00, ...utf16, 0xc3, 0x28, ...Buffer.from(escapes), 0xe2, 0x98]
    await perform(command('a', { run: writing([1, pieces]) }), run)
    const text = run.sink.textOf('stdout')
    t.equal(text, `\uFFFD\uFFFD\u2400\uFFFD\u2400!\u2400\uFFFD(${escapes}\uFFFD`)
  },
)

t.test('a character that is split between two writes stays whole', async t => {
  const run = makeRun(t)
  const bytes = [...Buffer.from('☃𝄞')]
  const shell = bytes
    .map(byte => `printf '\\${byte.toString(8).padStart(3, '0')}'; echo x >&2`)
    .join('\n')
  await perform(command('a', { shell }), run)
  t.equal(run.sink.textOf('stdout'), '☃𝄞')
  t.equal(run.sink.textOf('stderr'), 'x\n'.repeat(bytes.length))
})

t.test('both outputs are written one at a time, in the order in which they arrived', async t => {
  let outstanding = 0
  let most = 0
  const order: string[] = []
  const write = async (stream: string, text: string) => {
    most = Math.max(most, ++outstanding)
    order.push(`${stream}: ${text}`)
    writeFileSync(join(folder, text.trim()), '')
    await nextTurn()
    outstanding -= 1
  }
  const run = makeRun(t, { write })
  const folder = await run.workFolder()
  const shell = `echo a; ${untilSeen('a')}; echo b >&2; ${untilSeen('b')}; echo c; ${untilSeen('c')}; echo d >&2`
  await perform(command('a', { shell }), run)
  t.strictSame(order, ['stdout: a\n', 'stderr: b\n', 'stdout: c\n', 'stderr: d\n'])
  t.equal(most, 1)
})

t.test('a program waits while the log is full, and a line of 1 GB needs no memory', async t => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const size = 1_000_000_000
  let received = 0
  let writes = 0
  let longest = 0
  const memory: NodeJS.MemoryUsage[] = []
  const write = async (_stream: string, text: string) => {
    received += text.length
    longest = Math.max(longest, text.length)
    // The log is slower than the program: without back-pressure everything would pile up here.
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    if (++writes % 2000 !== 1) return
    collect()
    memory.push(process.memoryUsage())
  }
  const shell = `tr '\\0' x < /dev/zero | head -c ${size}`
  await perform(command('a', { shell, outputLimit: '2GiB' }), makeRun(t, { write }))
  t.equal(received, size)
  t.ok(longest <= 65_536, `a piece has at most 64 KiB, the longest had ${longest}`)
  const growthOf = (key: 'heapUsed' | 'external') =>
    Math.max(...memory.map(usage => usage[key])) - (memory[0]?.[key] ?? 0)
  t.ok(growthOf('heapUsed') < 4 * 2 ** 20, `the heap grew by ${growthOf('heapUsed')} bytes`)
  // Node gives buffers back a little later, so these vary.
  t.ok(growthOf('external') < 48 * 2 ** 20, `the buffers grew by ${growthOf('external')} bytes`)
})

t.test('output beyond the limit is read and thrown away, and the log says so', async t => {
  const run = makeRun(t)
  const { stdout } = await perform(
    command('a', {
      shell: 'head -c 3000000 /dev/zero | tr "\\0" x; echo; echo end',
      outputLimit: 1000,
    }),
    run,
  )
  t.equal(run.sink.textOf('stdout'), 'x'.repeat(1000))
  t.equal(
    run.sink.textOf('system'),
    '[output truncated: kept the first 1000 bytes, 2999005 bytes more were discarded]\n',
  )
  t.match(stdout, /x\nend$/, 'the result still has the end of the output')
  t.equal(Buffer.byteLength(stdout), 16 * 1024 - 1)
})

t.test('the limit counts both outputs, and does not cut through a character', async t => {
  const both = makeRun(t)
  await perform(command('a', { shell: 'printf abcdef; printf ghij >&2', outputLimit: 8 }), both)
  t.equal((both.sink.textOf('stdout') + both.sink.textOf('stderr')).length, 8)
  t.match(both.sink.textOf('system'), 'kept the first 8 bytes, 2 bytes more')
  const snow = makeRun(t)
  const failing = command('a', { shell: 'printf "ab☃☃"; exit 1', outputLimit: 6 })
  await t.rejects(perform(failing, snow), {
    code: 'CW_STEP_FAILED',
    details: { lastLines: ['ab☃☃'] },
  })
  t.equal(snow.sink.textOf('stdout'), 'ab☃')
})

t.test('the default limit is 16 MiB, and nothing is said when nothing was cut', async t => {
  const exact = makeRun(t)
  await perform(printing(2 ** 24), exact)
  t.equal(exact.sink.textOf('system'), '')
  const more = makeRun(t)
  await perform(printing(2 ** 24 + 123), more)
  t.equal(
    more.sink.textOf('system'),
    '[output truncated: kept the first 16777216 bytes, 123 bytes more were discarded]\n',
  )
})

t.test('the result has the last 16 KiB of stdout, in whole characters', async t => {
  const script = "process.stdout.write('a' + '☃'.repeat(10_000) + '\\n')"
  const { stdout } = await perform(command('a', { run: [execPath, '-e', script] }), makeRun(t))
  t.match(stdout, /^☃+$/)
  t.equal(stdout.length, Math.floor((16 * 1024 - 1) / 3))
})

t.test('a program that closes its outputs at once is waited for', async t => {
  const run = makeRun(t)
  await perform(
    command('a', {
      shell: 'exec >&- 2>&-; for i in 1 2 3 4 5 6 7 8 9; do sh -c /bin/true; done; : > done',
    }),
    run,
  )
  t.equal((await perform(command('a', { run: ['ls'] }), run)).stdout, 'done')
})

t.test('a service that keeps the outputs open does not hold up the step, and lives on', async t => {
  for (const exitCode of [0, 7]) {
    const run = makeRun(t)
    const step = command('a', {
      shell: `setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000 & echo $!; exit ${exitCode}`,
      successCodes: [0],
    })
    const result = perform(step, run)
    if (exitCode === 0) await result
    else await t.rejects(result, { code: 'CW_STEP_FAILED', details: { exitCode } })
    const pids = run.sink.textOf('stdout').trim().split('\n').map(Number)
    t.equal(pids.length, 2)
    for (const pid of pids) t.ok(process.kill(pid, 'SIGKILL'), 'it was alive')
  }
})
