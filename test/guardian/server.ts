import { rmSync } from 'node:fs'
import {
  call,
  Cluster,
  command,
  defineProcess,
  type ClusterError,
  type Logger,
} from '../../lib/index.ts'
import type { ServerOrder } from './launch-server.ts'

// One server, as a process of its own: node server.ts ORDER. It prints a line of JSON for all that it logs.

const { shells, losesNode, ...options } = JSON.parse(process.argv[2] ?? '') as ServerOrder

if (losesNode) rmSync(process.execPath)

const log = (about: object, msg: string): void => console.log(JSON.stringify({ ...about, msg }))
const logger: Logger = { debug: log, info: log, warn: log, error: log }

const processes = Object.entries(shells).map(([name, steps]) =>
  defineProcess({
    name,
    steps: steps.map((shell, index) => command(`step ${index + 1}`, { shell })),
  }),
)
/** Blocks the event loop, for ever when it is not told for how long. */
const block = defineProcess({
  name: 'block',
  steps: [
    call('block', ({ input }) => {
      const { forMs } = input as { forMs?: number }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs)
    }),
  ],
})

const cluster = new Cluster({ ...options, processes: [...processes, block], logger })
cluster.on('fenced', () => process.exit(75))
process.on('SIGTERM', () => {
  void cluster.stop().then(() => process.exit(0))
})
await cluster.start().catch((error: ClusterError) => {
  log({ code: error.code, message: error.message }, 'refused')
  process.exit(1)
})
log({}, 'ready')
