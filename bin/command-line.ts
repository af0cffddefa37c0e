import yargs, { type Argv } from 'yargs'
import { ClusterError } from '../lib/errors.ts'
import { packageVersion } from '../lib/version.ts'
import { checkUsage, commonFlags } from './check-usage.ts'
import type { Command } from './define-command.ts'
import { exitCode, type ExitCode } from './exit-code.ts'

/**
 * Runs the command that the words name, or prints the help, the version or the completion script.
 * @throws {ClusterError} CW_OPTION when the words are no command, and what the command throws
 */
export async function runCommandLine(
  commands: readonly Command[],
  words: readonly string[],
): Promise<ExitCode> {
  let code: ExitCode = exitCode.ok
  const parser = yargs(withoutDoubleDash(words))
    .scriptName('cluster-worker')
    .usage('$0 <command>\n\nRuns processes on any number of servers that share one PostgreSQL.')
    .locale('en')
    .updateStrings(plainSentences)
    .parserConfiguration({
      'strip-dashed': true,
      'boolean-negation': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .options(commonFlags)
    .middleware(given => checkUsage(commands, words, given), true)
    .strict()
    .demandCommand(1)
    .help()
    .alias('help', 'h')
    .version(packageVersion())
    .wrap(lineWidth())
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // Only what the parser itself refuses comes with a message that is not the error of a command.
      if (message === null || error instanceof ClusterError) throw error
      throw new ClusterError('CW_OPTION', message)
    })
  for (const command of commands)
    addCommand(parser, command, ended => {
      code = ended
    })
  await parser
    .completion('completion', 'Print a script that completes commands and flags in bash or zsh')
    .epilogue('To try it out: cluster-worker dev')
    .parseAsync()
  return code
}

/** Behind `--` nothing is a flag; the parser would not take it for an argument of the command either. */
function withoutDoubleDash(words: readonly string[]): string[] {
  const dashes = words.indexOf('--')
  const isCompleting = words[0] === '--get-yargs-completions'
  if (dashes < 0 || isCompleting) return [...words]
  const flag = words.slice(dashes + 1).find(word => word.startsWith('-'))
  if (flag === undefined) return words.toSpliced(dashes, 1)
  throw new ClusterError('CW_OPTION', `expected no flag behind --, got '${flag}'`)
}

function addCommand(parser: Argv, command: Command, onEnd: (code: ExitCode) => void): void {
  const { name, summary, positionals = {}, optionals = {}, flags, examples = {} } = command
  const required = Object.keys(positionals).map(positional => ` <${positional}>`)
  const possible = Object.keys(optionals).map(positional => ` [${positional}]`)
  parser.command({
    command: [name, ...required, ...possible].join(''),
    describe: summary,
    builder: own => {
      // The parser has a flag of this name, whose value it would put in the argument's place.
      if ('version' in positionals) own.version(false)
      for (const [positional, describe] of Object.entries(positionals))
        own.positional(positional, { type: 'string', describe, demandOption: true })
      for (const [positional, describe] of Object.entries(optionals))
        own.positional(positional, { type: 'string', describe })
      for (const [line, describe] of Object.entries(examples)) own.example(`$0 ${line}`, describe)
      return own.options(flags)
    },
    handler: async given => onEnd(await command.run(given)),
  })
}

/** What the parser says, in other words; the numbers come in its order. Its types know no plurals. */
const plainSentences = {
  'Not enough non-option arguments: got %s, need at least %s': {
    one: 'expected more arguments behind the command, got %s of %s',
    other: 'expected more arguments behind the command, got %s of %s',
  },
  'Not enough arguments following: %s': 'expected a value behind --%s, got none',
} as unknown as Record<string, string>

/** A terminal may say that it has no columns, and a line of one column would help nobody. */
function lineWidth(): number {
  const columns = Number(process.env['COLUMNS']) || process.stdout.columns || 80
  return Math.min(Math.max(columns, 60), 100)
}
