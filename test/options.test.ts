import { Client } from 'pg'
import t from 'tap'
import { ClusterError } from '../lib/errors.ts'
import {
  completeOptions,
  labelOf,
  optionNames,
  options,
  type OptionSource,
} from '../lib/options.ts'
import { parseOptions, readOptions } from '../lib/read-options.ts'

function refusal(values: Record<string, unknown>, source: OptionSource = 'program'): ClusterError {
  try {
    parseOptions(values, source)
  } catch (thrown) {
    if (thrown instanceof ClusterError) return thrown
    throw thrown
  }
  throw new Error(`expected ${JSON.stringify(values)} to be refused`)
}

t.test('every option is documented and has a default of its own kind', async t => {
  const defaults: Record<string, unknown> = { ...completeOptions({}) }
  for (const name of optionNames()) {
    t.match(options[name].description, /^[A-Z].*\.$/, name)
    t.not(options[name].usedBy.length, 0, name)
    if (name === 'connectionString' || name === 'nodeId') continue
    t.same(parseOptions({ [name]: defaults[name] }, 'program'), { [name]: defaults[name] })
  }
  t.match(defaults, {
    connectionString: undefined,
    schema: 'cluster_worker',
    concurrency: 10,
    pollInterval: 1000,
    profile: 'default',
    lostAfter: 5000,
    outputLimit: 16_777_216,
    drainTimeout: 'none',
    retention: 2_592_000_000,
  })
})

t.test('an option has a name for each place', async t => {
  const places: OptionSource[] = ['program', 'flag', 'environment', 'file']
  const labels = (name: 'pollInterval' | 'connectionString') =>
    places.map(place => labelOf(name, place))
  t.same(labels('pollInterval'), [
    'pollInterval',
    '--poll-interval',
    'CLUSTER_POLL_INTERVAL',
    'pollInterval',
  ])
  t.same(labels('connectionString'), [
    'connectionString',
    '--database-url',
    'DATABASE_URL',
    'databaseUrl',
  ])
})

t.test('text is converted, because flags and variables are text', async t => {
  t.same(
    parseOptions(
      {
        CLUSTER_CONCURRENCY: '25',
        CLUSTER_POLL_JITTER: '0.5',
        CLUSTER_LISTEN: 'no',
        CLUSTER_POLL_INTERVAL: '250ms',
        CLUSTER_RETENTION: 'forever',
        CLUSTER_PROCESSES: 'a.yaml, b',
        CLUSTER_PASS_ENV: 'HOME,LANG',
      },
      'environment',
    ),
    {
      concurrency: 25,
      pollJitter: 0.5,
      listen: false,
      pollInterval: 250,
      retention: 'forever',
      processes: ['a.yaml', 'b'],
      passEnv: ['HOME', 'LANG'],
    },
  )
})

t.test(
  'an empty environment variable is one that is not set, and others are left alone',
  async t => {
    t.same(
      parseOptions(
        { CLUSTER_SCHEMA: '', CLUSTER_SHELL: 'zsh', CLUSTER_CONCURENCY: '3' },
        'environment',
      ),
      {},
    )
    t.match(
      refusal({ schema: '' }, 'file').message,
      /expected schema to be a plain PostgreSQL name/,
    )
  },
)

t.test('a wrong value is named as its source names it', async t => {
  t.match(refusal({ concurrency: 'ten' }), {
    code: 'CW_OPTION',
    field: 'concurrency',
    message: 'expected concurrency to be an integer from 1 to 10000, got "ten"',
  })
  t.match(refusal({ '--concurrency': '0' }, 'flag'), {
    code: 'CW_OPTION',
    message: 'expected --concurrency to be an integer from 1 to 10000, got "0"',
  })
  t.match(refusal({ CLUSTER_CONCURRENCY: '1.5' }, 'environment'), {
    code: 'CW_CONFIG',
    message: 'expected CLUSTER_CONCURRENCY to be an integer from 1 to 10000, got "1.5"',
  })
})

t.test('an unknown key is refused with the nearest known one', async t => {
  t.equal(
    refusal({ concurency: 3 }).message,
    'expected the name of an option, got concurency (did you mean concurrency?)',
  )
  t.match(refusal({ connectionString: 'x' }, 'file').message, /did you mean databaseUrl\?/)
  t.match(refusal({ 'poll-interval': 1 }, 'file').message, /did you mean pollInterval\?/)
  t.notMatch(refusal({ entirelyDifferent: 1 }).message, /did you mean/)
})

t.test('all problems are reported, and the rest is read', async t => {
  const { options, problems } = readOptions({ schema: 'a', concurrency: 0, nodeId: 'a b' }, 'file')
  t.same(options, { schema: 'a' })
  t.same(
    problems.map(problem => problem.key),
    ['concurrency', 'nodeId'],
  )
  t.equal(refusal({ concurrency: 0, nodeId: 'a b' }).message.split('\n').length, 2)
})

t.test('durations that are negative, endless, without a unit or in words are refused', async t => {
  for (const value of [
    '5 minutes',
    '5',
    '-5s',
    -5,
    0,
    '0s',
    '99999d',
    1e300,
    Number.NaN,
    '',
    null,
    {},
    true,
  ])
    t.match(
      refusal({ pollInterval: value }).message,
      /^expected pollInterval to be a duration such as '30s' from 10ms to 1h, got /,
    )
  t.match(refusal({ lostAfter: '499ms' }).message, /from 500ms/)
  t.match(refusal({ retention: '1000000d' }).message, /to 36500d, or forever/)
  t.same(parseOptions({ pollInterval: '1h', lostAfter: '500ms', killGrace: 0 }, 'program'), {
    pollInterval: 3_600_000,
    lostAfter: 500,
    killGrace: 0,
  })
})

t.test('node ids and schemas are plain', async t => {
  for (const nodeId of ['', 'a b', 'ü', 'a'.repeat(64), 'a/b', 'a\n', 7])
    t.equal(refusal({ nodeId }).field, 'nodeId')
  t.same(parseOptions({ nodeId: 'Web-1.example_x' }, 'program'), { nodeId: 'Web-1.example_x' })
  for (const schema of ['Public', '1a', 'a-b', 'a"b', 'a'.repeat(42), 'a\n'])
    t.equal(refusal({ schema }).field, 'schema')
})

t.test('lists hold texts only', async t => {
  for (const processes of [[''], [1], {}, 'a,,b'])
    t.equal(refusal({ processes }).field, 'processes')
  for (const passEnv of [['A=B'], ['1A'], 'A B']) t.equal(refusal({ passEnv }).field, 'passEnv')
})

t.test('a password with reserved characters reaches the driver as it is', async t => {
  const password = 'p%a@b/c?d#e:f g'
  const connectionString = `postgresql://user:${encodeURIComponent(password)}@db.example:6432/my%20db`
  const parsed = parseOptions({ connectionString }, 'program')
  t.same(parsed, { connectionString })
  t.match(new Client(connectionString), {
    user: 'user',
    password,
    host: 'db.example',
    port: 6432,
    database: 'my db',
  })
})

t.test('a password that is not encoded is refused, and never shown', async t => {
  for (const secret of [
    'hush%',
    'hush%hush',
    'hush/hush',
    '1/hush',
    'hush?hush',
    'hush#hush',
    'hush hush',
  ]) {
    const { message } = refusal({ databaseUrl: `postgres://user:${secret}@host/db` }, 'file')
    t.match(message, /expected databaseUrl to be a URL such as .*%25 %40 %2F/)
    t.notMatch(message, 'hush')
  }
  for (const databaseUrl of ['mysql://user:hush@host/db', 'host=x password=hush', 'hush', 7]) {
    const { message } = refusal({ databaseUrl }, 'file')
    t.notMatch(message, 'hush')
  }
})

t.test('URLs of IPv6 addresses, of sockets and of several hosts are taken', async t => {
  for (const connectionString of [
    'postgres://user@one:5432/db',
    'postgres://[::1]:5432/db',
    'postgresql://cluster@/postgres?host=%2Ftmp%2Fsocket',
    'postgres://host',
    'postgres://user@one:5432,two:5433,one/db',
    'postgres://[::1]:5432,[fe80::1%25eth0],10.0.0.1/db?sslmode=require',
    'postgresql:///db?host=one,%2Ftmp%2Fsocket&port=5432,5433',
    'postgresql://one,two/db?target_session_attrs=read-write',
    'postgresql://one,two/db?target_session_attrs=primary',
  ])
    t.same(parseOptions({ connectionString }, 'program'), { connectionString })
  for (const url of [
    'postgres://host:0/db',
    'postgres://host:70000/db',
    'postgres://host:port/db',
    'postgres://::1/db',
    'postgres://one,,two/db',
    'postgres://one,two:70000/db',
    'postgres://one,%/db',
    'postgres:///db?host=one,two&port=1,2,3',
    'postgres:///db?host=one,two,',
  ])
    t.equal(refusal({ connectionString: url }).field, 'connectionString', url)
})

t.test('the sessions that a URL may ask for are those of the primary', async t => {
  for (const attributes of ['any', 'standby', 'prefer-standby', 'read-only'])
    t.match(
      refusal({ connectionString: `postgres://one,two/db?target_session_attrs=${attributes}` })
        .message,
      new RegExp(`with read-write or primary .* got target_session_attrs=${attributes}`),
    )
})

t.test('an sslmode that is not known is refused with the known ones', async t => {
  t.equal(
    refusal({ DATABASE_URL: 'postgres://host/db?sslmode=verify-ful' }, 'environment').message,
    'expected DATABASE_URL to be a PostgreSQL URL with an sslmode of disable, no-verify, prefer, require, verify-ca, verify-full, got sslmode=verify-ful',
  )
  for (const mode of ['disable', 'no-verify', 'require', 'verify-full'])
    t.ok(parseOptions({ connectionString: `postgres://host/db?sslmode=${mode}` }, 'program'))
})
