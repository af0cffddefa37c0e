import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { call, command, defineProcess, type RequestRecord } from '../../lib/index.ts'
import { startCluster } from '../support/start-cluster.ts'

const count = call('count', () => ({ rows: 12 }), { undo: c => c.log('count undone') })

const ok = defineProcess({
  name: 'ok',
  input: z.object({ name: z.string().default('world'), times: z.string().transform(Number) }),
  steps: [
    count,
    command('greet', {
      run: ['echo', 'hello', ({ input }) => input.name],
      env: { ROWS: ({ output }) => output(count).rows },
    }),
    call('sum', ({ input, output }) => output(count).rows + input.times),
  ],
})

const bad = defineProcess({
  name: 'bad',
  steps: [
    call('first', () => 1, { undo: c => c.log('first undone') }),
    call('second', () => 2, {
      undo: () => {
        throw new Error('cannot undo')
      },
    }),
    command('third', { shell: 'touch made', undo: ['rm', 'made'] }),
    command('breaks', {
      shell: 'echo one; echo two >&2; exit 7',
      undo: ['echo', 'never'],
    }),
    call('never', () => 1),
  ],
  onFailure: [
    call('fails too', () => {
      throw new TypeError('page is down')
    }),
    command('tell', { shell: 'echo "$CLUSTER_PROCESS $CLUSTER_FAILED_STEP: $CLUSTER_ERROR"' }),
  ],
})

const half = defineProcess({
  name: 'half',
  steps: [
    call('finished', () => 1, {
      undo: ({ isUnfinished, log }) => log(`finished: ${isUnfinished}`),
      undoUnfinished: true,
    }),
    command('broken', {
      shell: 'touch half; exit 7',
      undo: { shell: 'ls; echo "unfinished: $CLUSTER_UNFINISHED"' },
      undoUnfinished: true,
    }),
    call('never', () => 1, { undo: c => c.log('never'), undoUnfinished: true }),
  ],
})

const odd = defineProcess({
  name: 'odd',
  input: z.object({ what: z.string() }),
  steps: [
    call('odd', ({ input }): unknown => {
      const cyclic: { self?: object } = {}
      cyclic.self = cyclic
      const results: Record<string, () => unknown> = {
        'throws null': () => {
          throw null
        },
        'throws text with NUL and half a pair': () => {
          throw new Error('a\u0000b\ud800')
        },
        cyclic: () => cyclic,
        NUL: () => ({ text: 'a\u0000' }),
        'throws a message cut in the middle of an emoji': () => {
          throw new Error(`${'x'.repeat(9970)}${'😀'.repeat(100)}`)
        },
        huge: () => 'x'.repeat(2_000_000),
        BigInt: () => 1n,
        undefined: () => undefined,
      }
      return results[input.what]?.()
    }),
  ],
})

const { cluster } = await startCluster(t, [ok, bad, half, odd])
const { cluster: bySize } = await startCluster(t, [ok], {
  outputLimit: 3,
  dataDir: `${t.testdirName}/by-size`,
})

const stepsOf = (record: RequestRecord): string[] =>
  record.steps.map(step => `${step.phase} ${step.name}: ${step.state}`)

async function logOf(id: string): Promise<string> {
  let text = ''
  for await (const piece of cluster.logs(id, { follow: true }))
    text += `${piece.step} ${piece.stream} ${piece.text}`
  return text
}

t.test('a process that succeeds', async t => {
  const { id } = await cluster.enqueue(ok, { times: '3' }, { priority: 5 })
  const record = await cluster.wait(id)
  t.match(record, {
    id,
    process: 'ok',
    state: 'finished',
    outcome: 'succeeded',
    reason: null,
    error: null,
    node: 'a',
    priority: 5,
    input: { times: '3' },
    result: 15,
  })
  t.same(stepsOf(record), ['step count: succeeded', 'step greet: succeeded', 'step sum: succeeded'])
  t.equal(record.steps[1]?.exitCode, 0)
  t.same(record.steps[0]?.output, { rows: 12 })
  const times = [record.enqueuedAt, record.startedAt, record.finishedAt].map(Number)
  t.same(
    times,
    times.toSorted((a, b) => a - b),
  )
  t.equal(await logOf(id), 'greet stdout hello world\n')
})

t.test('a step that fails: the rest is skipped, what was done is undone, last first', async t => {
  const { id } = await cluster.enqueue('bad')
  const record = await cluster.wait(id)
  t.match(record, { outcome: 'failed', reason: 'step_failed', result: null })
  t.match(record.error, {
    code: 'CW_STEP_FAILED',
    step: 'breaks',
    exitCode: 7,
    lastLines: ['one', 'two'],
  })
  t.same(stepsOf(record), [
    'step first: succeeded',
    'step second: succeeded',
    'step third: succeeded',
    'step breaks: failed',
    'step never: skipped',
    'undo third: succeeded',
    'undo second: failed',
    'undo first: succeeded',
    'on_failure fails too: failed',
    'on_failure tell: succeeded',
  ])
  t.equal(record.steps[6]?.error?.message.includes('cannot undo'), true)
  t.match(record.steps[8]?.error, { message: /page is down/ })
  const log = await logOf(id)
  t.match(log, /undo first log first undone/)
  t.match(log, /tell stdout bad breaks: command .* exited with code 7/)
})

t.test(
  'an input that its schema refuses at the server fails the request, and starts nothing',
  async t => {
    // From SQL nothing checks the input before the server does.
    const { cluster: other, url } = await startCluster(t, [ok])
    const pg = await import('pg')
    const client = new pg.default.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query<{ id: string }>(
      `select cluster_worker.enqueue('ok', '{"times": 3}') as id`,
    )
    await client.end()
    const record = await other.wait(rows[0]?.id ?? '')
    t.match(record, { outcome: 'failed', reason: 'input_invalid' })
    t.match(record.error, { code: 'CW_INPUT_INVALID', field: 'input.times' })
    t.same(new Set(record.steps.map(step => step.state)), new Set(['skipped']))
  },
)

t.test(
  'whatever a function throws or returns, the request ends with something readable',
  async t => {
    const cases: Record<string, object> = {
      'throws null': { outcome: 'failed', error: { message: /null/ } },
      'throws text with NUL and half a pair': { outcome: 'failed', error: { message: /a␀b�/ } },
      'throws a message cut in the middle of an emoji': {
        outcome: 'failed',
        error: { message: /xxx😀/ },
        steps: [{ name: 'odd', state: 'failed' }],
      },
      cyclic: {
        outcome: 'failed',
        error: { code: 'CW_RESULT_UNSERIALISABLE', message: /contains itself/ },
      },
      NUL: { outcome: 'failed', error: { code: 'CW_RESULT_UNSERIALISABLE', message: /NUL/ } },
      huge: { outcome: 'failed', error: { code: 'CW_RESULT_UNSERIALISABLE', message: /bytes/ } },
      BigInt: { outcome: 'failed', error: { code: 'CW_RESULT_UNSERIALISABLE', message: /BigInt/ } },
      undefined: { outcome: 'succeeded', result: null },
    }
    for (const [what, expected] of Object.entries(cases)) {
      const { id } = await cluster.enqueue(odd, { what })
      t.match(await cluster.wait(id), expected, what)
    }
  },
)

t.test(
  'a step that did not finish is undone when it asks for it, one that never began is not',
  async t => {
    const { id } = await cluster.enqueue('half')
    t.same(stepsOf(await cluster.wait(id)), [
      'step finished: succeeded',
      'step broken: failed',
      'step never: skipped',
      'undo broken: succeeded',
      'undo finished: succeeded',
    ])
    t.equal(
      await logOf(id),
      'undo broken stdout half\nunfinished: 1\nundo finished log finished: false\n',
    )
  },
)

t.test("the server's limit on output holds for steps that have none of their own", async t => {
  const { id } = await bySize.enqueue(ok, { times: '1' })
  await bySize.wait(id)
  const texts: string[] = []
  for await (const { text } of bySize.logs(id)) texts.push(text)
  t.match(texts.join(''), /^hel\n?\[output truncated/)
})

t.test('a finished run leaves no folder', async t => {
  const { id } = await cluster.enqueue('bad')
  await cluster.wait(id)
  const runs = join(t.testdirName, '..')
  t.ok(existsSync(runs))
  t.notOk(readdirSync(runs, { recursive: true }).some(file => String(file).endsWith(`runs/${id}`)))
})
