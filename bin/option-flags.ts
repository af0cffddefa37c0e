import type { Options } from 'yargs'
import { labelOf, options, type OptionName } from '../lib/options.ts'

/** The flags of options, as the table of options describes them. Values are read and checked later. */
export function optionFlags(names: readonly OptionName[], group: string): Record<string, Options> {
  return Object.fromEntries(
    names.map(name => [labelOf(name, 'flag').slice(2), flagOf(name, group)]),
  )
}

/** Where the database is, and how it is found: for every command that asks it. */
export const databaseFlags: Readonly<Record<string, Options>> = {
  ...optionFlags(['connectionString', 'schema', 'dataDir'], 'Database:'),
  config: {
    type: 'string',
    requiresArg: true,
    group: 'Database:',
    describe: 'The configuration file.',
    defaultDescription: 'cluster-worker.config.* in this folder',
  },
}

/** For commands that read the artifact store, too. */
export const storeFlags: Readonly<Record<string, Options>> = {
  ...databaseFlags,
  ...optionFlags(['store', 'storeDelay'], 'Store:'),
}

function flagOf(name: OptionName, group: string): Options {
  const { kind, description, defaultText } = options[name]
  const about = { describe: description, defaultDescription: defaultText, group }
  if (kind === 'list') return { ...about, type: 'array', string: true, requiresArg: true }
  // As text, because yargs would take every word but 'true' for false.
  if (kind === 'boolean')
    return { ...about, type: 'string', coerce: (given: unknown) => (given === '' ? true : given) }
  return { ...about, type: 'string', requiresArg: true }
}
