import { defineCommand, type Command } from '../define-command.ts'
import { optionFlags, storeFlags } from '../option-flags.ts'

/** Looks whether a server could start here. */
export const checkCommand: Command = defineCommand({
  name: 'check',
  summary: 'Check the configuration, the definitions, the database and the store, without starting',
  flags: {
    ...optionFlags(['processes'], 'Server:'),
    ...storeFlags,
  },
  async run(given) {
    const { checkAll } = await import('../check-all.ts')
    return checkAll(given)
  },
})
