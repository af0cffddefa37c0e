import { duration } from '../../lib/base/option-readers.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { databaseFlags } from '../option-flags.ts'
import { orderFlags } from '../order-flags.ts'
import { readFlag } from '../read-flag.ts'

/** Waits until a server runs nothing any more. */
export const drainCommand: Command = defineCommand({
  name: 'drain',
  summary: 'Let a server claim nothing more, and wait until nothing runs on it',
  positionals: { node: 'The node id of the server.' },
  flags: {
    'then-exit': { type: 'boolean', describe: 'Let it leave and exit then, with 0.' },
    deadline: {
      type: 'string',
      requiresArg: true,
      describe: 'Stop and undo what still runs after this time, such as 10m.',
      defaultDescription: 'none',
    },
    reason: { type: 'string', requiresArg: true, describe: 'Why, for the record.' },
    ...orderFlags,
    ...databaseFlags,
  },
  examples: { 'drain web1 --then-exit --deadline 10m': 'before an upgrade of web1' },
  async run(given) {
    const { giveOrder, settingsOf } = await import('../give-order.ts')
    const deadline = readFlag('--deadline', duration('0ms', '24d'), given.deadline)
    return giveOrder(given, 'drain', (cluster, node) =>
      cluster.drain(node, {
        ...settingsOf(given),
        thenExit: given.thenExit === true,
        ...(deadline !== undefined && { deadline }),
      }),
    )
  },
})
