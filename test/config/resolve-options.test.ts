import t from 'tap'
import { resolveOptions } from '../../lib/config/resolve-options.ts'

t.test('a flag wins over the environment, that over the file, that over the default', async t => {
  const env = { CLUSTER_SCHEMA: 'from_env', CLUSTER_CONCURRENCY: '2', CLUSTER_NODE_ID: 'env-node' }
  const file = { schema: 'from_file', concurrency: 3, pollInterval: 30, nodeId: 'file-node' }
  const resolved = resolveOptions({
    flags: {
      _: ['start'],
      config: 'x',
      nodeId: 'flag-node',
      databaseUrl: 'postgres://h/db',
      schema: undefined,
    },
    env,
    file,
  })
  t.match(resolved, {
    connectionString: 'postgres://h/db',
    nodeId: 'flag-node',
    schema: 'from_env',
    concurrency: 2,
    pollInterval: 30,
    killGrace: 5000,
  })
})

t.test('an empty variable does not hide the file', async t => {
  const resolved = resolveOptions({
    flags: {},
    env: { CLUSTER_SCHEMA: '' },
    file: { schema: 'mine' },
  })
  t.equal(resolved.schema, 'mine')
})

t.test('a wrong flag and a wrong variable are told apart', async t => {
  t.throws(() => resolveOptions({ flags: { pollInterval: '5' }, env: {}, file: {} }), {
    code: 'CW_OPTION',
    message: /^expected --poll-interval to be/,
  })
  t.throws(() => resolveOptions({ flags: {}, env: { CLUSTER_LOG_LEVEL: 'loud' }, file: {} }), {
    code: 'CW_CONFIG',
    message:
      'expected CLUSTER_LOG_LEVEL to be one of trace, debug, info, warn, error, silent, got "loud"',
  })
})
