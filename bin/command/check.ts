import { defineCommand, type Command } from '../define-command.ts'
import { databaseFlags, optionFlags } from '../option-flags.ts'

/** Looks whether a server could start here. */
export const checkCommand: Command = defineCommand({
  name: 'check',
  summary: 'Check the configuration, the definitions and the database, without starting',
  flags: {
    ...optionFlags(['processes'], 'Server:'),
    ...databaseFlags,
  },
  async run(given) {
    const { checkAll } = await import('../check-all.ts')
    return checkAll(given)
  },
})
