import { optionNames } from '../../lib/options.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { databaseFlags, optionFlags } from '../option-flags.ts'

const serverOptions = optionNames().filter(
  name => !['connectionString', 'schema', 'dataDir', 'nodeId'].includes(name),
)

/** Runs a database and a server to try things out. */
export const devCommand: Command = defineCommand({
  name: 'dev',
  summary: 'Try it out: run a PostgreSQL of its own and one server, until Ctrl-C',
  flags: {
    ...optionFlags(serverOptions, 'Server:'),
    ...databaseFlags,
  },
  examples: {
    dev: 'runs the processes of ./processes, or examples',
    'enqueue hello --follow': 'in another terminal, in the same folder',
  },
  async run(given) {
    const { startDevelopment } = await import('../start-development.ts')
    return startDevelopment(given)
  },
})
