import t from 'tap'
import { runBinary } from '../support/binary.ts'

t.setTimeout(180_000)

const commands = [
  'dev',
  'migrate',
  'check',
  'start',
  'enqueue',
  'list',
  'show',
  'logs',
  'cancel',
  'nodes',
  'doctor',
]

t.test('the help names every command, however one asks for it', async t => {
  for (const words of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await runBinary(t, words)
    t.equal(code, 0)
    t.equal(stderr, '')
    for (const name of [...commands, 'completion'])
      t.match(stdout, new RegExp(`^ {2}cluster-worker ${name}\\b`, 'm'))
    t.notMatch(stdout, '\u001b')
  }
})

t.test('the help of a command shows its flags, with their defaults', async t => {
  for (const words of [
    ['start', '--help'],
    ['start', '-h'],
    ['--help', 'start'],
    ['help', 'start'],
    // Whoever asks for help is not told what is missing or wrong.
    ['start', '--help', '--concurrency', 'ten'],
  ]) {
    const { code, stdout } = await runBinary(t, words)
    t.equal(code, 0)
    t.match(stdout, /--concurrency .*\[default: 10\]/s)
    t.match(stdout, /--lost-after .*\[default: 5s; /s)
    t.match(stdout, /--config/)
  }
  const { code, stdout } = await runBinary(t, ['show', '--help'])
  t.equal(code, 0)
  t.match(stdout, 'cluster-worker show <id>')
})

t.test('the version is the version of the package', async t => {
  const { code, stdout } = await runBinary(t, ['--version'])
  t.equal(code, 0)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
})

t.test('what cannot be understood is refused in one sentence', async t => {
  const refusals: [words: string[], sentence: string, helpOf?: string][] = [
    [[], 'expected a command: dev, migrate'],
    [['strat'], "unknown command 'strat'; did you mean start?"],
    [['xyzzy'], "unknown command 'xyzzy'; known are dev, migrate"],
    [['list', '--noode', 'a'], 'unknown flag --noode; did you mean --node?', 'list'],
    [['list', '--constructor=1'], 'unknown flag --constructor', 'list'],
    [['list', '--a.b=1'], 'unknown flag --a.b', 'list'],
    [['list', '--no-limit'], 'unknown flag --no-limit', 'list'],
    [['list', '--node', 'a', '--node', 'b'], 'expected --node once, got it 2 times', 'list'],
    [['list', '--node'], 'expected a value behind --node, got none', 'list'],
    [['list', '--json=yes'], 'expected --json to stand alone, got --json=yes', 'list'],
    [['list', 'all'], "expected nothing more, got 'all'", 'list'],
    [['show'], 'expected more arguments behind the command, got 0 of 1', 'show'],
    [['show', '--', '--json'], "expected no flag behind --, got '--json'", 'show'],
    [['start', '--listen', '--no-listen'], 'unknown flag --no-listen', 'start'],
    [['start', '--processes'], 'expected a value behind --processes, got none', 'start'],
  ]
  for (const [words, sentence, helpOf] of refusals) {
    const { code, stdout, stderr } = await runBinary(t, words)
    t.equal(code, 2, words.join(' '))
    t.equal(stdout, '')
    const [first, second, ...more] = stderr.split('\n')
    t.ok(first?.startsWith(`error: ${sentence}`), first ?? '')
    t.ok(first?.endsWith(' [CW_OPTION]'))
    t.equal(second, `Run cluster-worker ${helpOf ? `${helpOf} ` : ''}--help`)
    t.strictSame(more, [''])
  }
})

t.test('values of flags are checked before the database is asked', async t => {
  const url = ['--database-url', 'postgresql://nobody@127.0.0.1:1/nothing']
  const wrong: [words: string[], part: string][] = [
    [['list', '--limit', 'ten'], 'expected --limit to be an integer from 1 to 1000, got "ten"'],
    [['list', '--state', 'done'], 'one of scheduled, queued, running, finished, got "done"'],
    [['list', '--before', 'x'], 'before'],
    [['show', '12; drop table'], 'the id of a request'],
    [['show', '-5'], 'the id of a request'],
    [['enqueue', 'say', '--priority', '-32769'], '--priority'],
    [['enqueue', 'say', '--timeout', '-5s'], 'expected --timeout to be a duration'],
    [['enqueue', 'say', '--timeout', '99999d'], 'expected --timeout to be a duration'],
    [['enqueue', 'say', '--timeout', '5 minutes'], 'expected --timeout to be a duration'],
    [['enqueue', 'say', '--input', '{'], 'expected JSON from --input'],
    [['enqueue', 'say', '--input', ''], 'expected JSON from --input, got nothing'],
    [['enqueue', 'say', '--input', '1', '--input-file', 'x'], 'got both'],
    [['enqueue', 'say', '--input-file', 'missing.json'], 'got missing.json'],
    [['enqueue', 'say', '--input-file', '-'], 'expected JSON from stdin, got nothing'],
    [['enqueue', 'say', '--input', '{"n":12345678901234567890}'], 'pass it as text'],
    [['enqueue', '  '], 'expected process to be a name'],
    [['start', '--lost-after', '-1s'], 'expected --lost-after to be a duration'],
    [['start', '--drain-timeout', '1000000d'], 'expected --drain-timeout to be a duration'],
    [['start', '--listen=maybe'], 'expected --listen to be true or false, got "maybe"'],
    [['start', '--node-id', ''], 'expected --node-id to be'],
  ]
  for (const [words, part] of wrong) {
    const { code, stdout, stderr } = await runBinary(t, [...words, ...url])
    t.equal(code, 2, words.join(' '))
    t.equal(stdout, '')
    t.match(stderr, part)
  }
})

t.test('a wrong URL is refused without showing it', async t => {
  const { code, stderr } = await runBinary(t, ['list', '--database-url', 'http://a:secret@b/c'])
  t.equal(code, 2)
  t.match(stderr, 'expected --database-url to be a URL such as')
  t.notMatch(stderr, 'secret')
})

t.test('without a database it says where one can be named', async t => {
  const { code, stderr } = await runBinary(t, ['list'])
  t.equal(code, 78)
  t.match(stderr, /expected a database: --database-url, DATABASE_URL .*cluster-worker dev/)
  t.match(stderr, '[CW_CONFIG]')
})

t.test('a stack is shown only where DEBUG=1 asks for it', async t => {
  const shown = await runBinary(t, ['list'], { env: { DEBUG: '1' } })
  t.match(shown.stderr, /\n {4}at /)
  const hidden = await runBinary(t, ['list'])
  t.notMatch(hidden.stderr, /\n {4}at /)
})

t.test('completes commands and flags', async t => {
  const script = await runBinary(t, ['completion'], { env: { SHELL: '/bin/bash' } })
  t.equal(script.code, 0)
  t.match(script.stdout, 'cluster-worker')
  t.equal(script.stderr, '')
  const asked = ['--get-yargs-completions', 'cluster-worker']
  const names = await runBinary(t, [...asked, ''])
  t.match(names.stdout.split('\n'), new Set(commands))
  const flags = await runBinary(t, [...asked, 'enqueue', '--'])
  t.equal(flags.code, 0)
  t.match(flags.stdout, '--input-file')
  t.equal(flags.stderr, '')
})
