import { duration } from '../../lib/base/option-readers.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { databaseFlags } from '../option-flags.ts'
import { orderFlags } from '../order-flags.ts'
import { readFlag } from '../read-flag.ts'

/** Lets a server claim nothing more. */
export const suspendCommand: Command = defineCommand({
  name: 'suspend',
  summary: 'Let a server claim nothing more, also after a restart, until it is resumed',
  positionals: { node: 'The node id of the server.' },
  flags: {
    reason: { type: 'string', requiresArg: true, describe: 'Why, for the record.' },
    'at-once': { type: 'boolean', describe: 'Stop what runs; it fails and is undone.' },
    for: {
      type: 'string',
      requiresArg: true,
      describe: 'How long, such as 30m.',
      defaultDescription: 'until it is resumed',
    },
    ...orderFlags,
    ...databaseFlags,
  },
  examples: { 'suspend web1 --reason "new disk"': 'what runs there goes on' },
  async run(given) {
    const { giveOrder, settingsOf } = await import('../give-order.ts')
    const lasts = readFlag('--for', duration('1ms', '24d'), given.for)
    return giveOrder(given, 'suspend', (cluster, node) =>
      cluster.suspend(node, {
        ...settingsOf(given),
        atOnce: given.atOnce === true,
        ...(lasts !== undefined && { for: lasts }),
      }),
    )
  },
})
