import { completeOptions, labelOf, optionNames, type ServerOptions } from '../options.ts'
import { parseOptions } from '../read-options.ts'
import type { Environment } from './expand-environment.ts'

/**
 * Puts the values together: a flag wins over the environment, that over the file, that over the default.
 * @param given.flags in the spelling that the command line parser gives them, such as `pollInterval` and
 * `databaseUrl`; what is no option is left alone
 * @throws {ClusterError} CW_OPTION for a flag, CW_CONFIG for an environment variable
 */
export function resolveOptions(given: {
  flags: Readonly<Record<string, unknown>>
  env: Environment
  file: Partial<ServerOptions>
}): ServerOptions {
  const { flags, env, file } = given
  return completeOptions({
    ...file,
    ...parseOptions(env, 'environment'),
    ...parseOptions(ownFlags(flags), 'flag'),
  })
}

function ownFlags(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    optionNames().map(name => [labelOf(name, 'flag'), flags[labelOf(name, 'file')]]),
  )
}
