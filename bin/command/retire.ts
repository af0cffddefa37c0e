import { duration } from '../../lib/base/option-readers.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { databaseFlags } from '../option-flags.ts'
import { orderFlags } from '../order-flags.ts'
import { readFlag } from '../read-flag.ts'

/** Says that a server does not come back. */
export const retireCommand: Command = defineCommand({
  name: 'retire',
  summary: 'Say that a server does not come back; one that runs is drained and exits first',
  positionals: { node: 'The node id of the server.' },
  flags: {
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
  async run(given) {
    const { giveOrder, settingsOf } = await import('../give-order.ts')
    const deadline = readFlag('--deadline', duration('0ms', '24d'), given.deadline)
    return giveOrder(given, 'retire', (cluster, node) =>
      cluster.retire(node, {
        ...settingsOf(given),
        ...(deadline !== undefined && { deadline }),
      }),
    )
  },
})
