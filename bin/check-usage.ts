import { nearestName } from '../lib/base/nearest-name.ts'
import { ClusterError } from '../lib/errors.ts'
import type { Command, FlagValues, Flags } from './define-command.ts'

/** Flags that every command has. */
export const commonFlags: Flags = {
  verbose: { type: 'boolean', alias: 'v', describe: 'Say more on stderr.' },
}

/** Names that the parser itself puts beside the values. */
const parserNames = new Set(['_', '$0', 'help', 'h', 'version'])

/**
 * Refuses what the parser would misunderstand, each in a sentence: an unknown command or flag with the
 * nearest known one, a word too many, a flag with one value that is given twice.
 * @param words the command line as it was typed
 * @throws {ClusterError} CW_OPTION
 */
export function checkUsage(
  commands: readonly Command[],
  words: readonly string[],
  given: FlagValues & { readonly _: readonly (string | number)[] },
): void {
  // The shell asks, with words that are not finished.
  if (given['getYargsCompletions'] !== undefined) return
  const [name, ...extra] = given._.map(String)
  const names = [...commands.map(command => command.name), 'completion']
  if (name === undefined) throw wrong(`expected a command: ${names.join(', ')}`)
  if (name === 'completion') return
  const command = commands.find(one => one.name === name)
  if (!command) throw wrong(`unknown command '${name}'${suggest(name, names)}`)
  const flags = { ...command.flags, ...commonFlags }
  for (const key of Object.keys(given)) checkKnown(key, flags, command)
  if (extra[0] !== undefined) throw wrong(`expected nothing more, got '${extra[0]}'`)
  for (const [flag, { type }] of Object.entries(flags)) {
    const value = given[camelCase(flag)]
    if (type !== 'array' && Array.isArray(value))
      throw wrong(`expected --${flag} once, got it ${value.length} times`)
    if (type === 'boolean') checkStandsAlone(flag, words)
  }
}

function checkKnown(key: string, flags: Flags, command: Command): void {
  const flag = kebabCase(key)
  if (parserNames.has(key) || Object.hasOwn(flags, flag)) return
  if (Object.values(flags).some(({ alias }) => alias === key)) return
  if (Object.hasOwn({ ...command.positionals, ...command.optionals }, key)) return
  const shown = flag.length === 1 ? `-${flag}` : `--${flag}`
  const nearest = nearestName(flag, Object.keys(flags))
  throw wrong(`unknown flag ${shown}${nearest ? `; did you mean --${nearest}?` : ''}`)
}

/** The parser would take `--json=yes` for false. */
function checkStandsAlone(flag: string, words: readonly string[]): void {
  const prefix = `--${flag}=`
  for (const word of words)
    if (word.startsWith(prefix) && !['true', 'false'].includes(word.slice(prefix.length)))
      throw wrong(`expected --${flag} to stand alone, got ${word}`)
}

function suggest(mistyped: string, known: readonly string[]): string {
  const nearest = nearestName(mistyped, known)
  return nearest ? `; did you mean ${nearest}?` : `; known are ${known.join(', ')}`
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-[a-z]/g, letter => letter.slice(1).toUpperCase())
}

function kebabCase(key: string): string {
  return key.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

function wrong(sentence: string): ClusterError {
  return new ClusterError('CW_OPTION', sentence)
}
