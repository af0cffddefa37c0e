import { optionNames } from '../../lib/options.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { databaseFlags, optionFlags } from '../option-flags.ts'

const serverOptions = optionNames().filter(
  name => !['connectionString', 'schema', 'dataDir'].includes(name),
)

/** Runs a server. */
export const startCommand: Command = defineCommand({
  name: 'start',
  summary: 'Run a server, until a signal stops it',
  flags: {
    ...optionFlags(serverOptions, 'Server:'),
    ...databaseFlags,
    migrate: {
      type: 'boolean',
      group: 'Database:',
      describe: 'Bring the tables up to this version first.',
    },
    'take-identity': {
      type: 'boolean',
      group: 'Server:',
      describe:
        'Once: make the node id that of this data folder, for a server that replaces another or has a new name.',
    },
  },
  examples: {
    'start --processes processes/': 'runs what a folder defines',
  },
  async run(given) {
    const { startServer } = await import('../start-server.ts')
    return startServer(given, {
      migrate: given.migrate === true,
      takeIdentity: given.takeIdentity === true,
    })
  },
})
