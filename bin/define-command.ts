import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs'
import type { ExitCode } from './exit-code.ts'

/** What yargs is told about a flag. */
export type Flags = Readonly<Record<string, Options>>

/** Values of flags, under the names that yargs gives them: `databaseUrl` for `--database-url`. */
export type FlagValues = Readonly<Record<string, unknown>>

export interface CommandDefinition<Given extends Flags> {
  readonly name: string
  /** One sentence without an end. */
  readonly summary: string
  /** The arguments that must stand behind the command, each with its description. */
  readonly positionals?: Readonly<Record<string, string>>
  /** An argument that may stand behind the others. */
  readonly optionals?: Readonly<Record<string, string>>
  readonly flags: Given
  /** Command lines and what they do. */
  readonly examples?: Readonly<Record<string, string>>
  run(given: ArgumentsCamelCase<InferredOptionTypes<Given>> & FlagValues): Promise<ExitCode>
}

/** One command of the binary. What it needs is imported when it runs, so that the help is fast. */
export interface Command extends Omit<CommandDefinition<Flags>, 'run'> {
  run(given: FlagValues): Promise<ExitCode>
}

/** Describes a command; the types of its flags' values come from their description. */
export function defineCommand<const Given extends Flags>(
  definition: CommandDefinition<Given>,
): Command {
  type Run = typeof definition.run
  return { ...definition, run: given => definition.run(given as Parameters<Run>[0]) }
}
