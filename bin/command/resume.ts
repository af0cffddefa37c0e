import { defineCommand, type Command } from '../define-command.ts'
import { databaseFlags } from '../option-flags.ts'
import { orderFlags } from '../order-flags.ts'

/** Lets a server claim again. */
export const resumeCommand: Command = defineCommand({
  name: 'resume',
  summary: 'Let a server claim again that was suspended, drained or retired',
  positionals: { node: 'The node id of the server.' },
  flags: {
    all: { type: 'boolean', describe: 'Also when the server has suspended itself.' },
    ...orderFlags,
    ...databaseFlags,
  },
  async run(given) {
    const { giveOrder, settingsOf } = await import('../give-order.ts')
    return giveOrder(given, 'resume', (cluster, node) =>
      cluster.resume(node, { ...settingsOf(given), all: given.all === true }),
    )
  },
})
