import { defineCommand, type Command } from '../define-command.ts'
import { optionFlags, storeFlags } from '../option-flags.ts'

/** Examines the database and this machine. */
export const doctorCommand: Command = defineCommand({
  name: 'doctor',
  summary: 'Examine the database, the store and this machine, and say what is wrong and what to do',
  flags: {
    json: { type: 'boolean', describe: 'Print a JSON array.' },
    ...optionFlags(['concurrency', 'lostAfter', 'retention', 'guardian'], 'Server:'),
    ...storeFlags,
  },
  async run(given) {
    const { runDoctor } = await import('../run-doctor.ts')
    return runDoctor(given, { asJson: given.json === true })
  },
})
