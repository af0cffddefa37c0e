import { nearestName } from './base/nearest-name.ts'
import { ClusterError } from './errors.ts'
import {
  labelOf,
  optionNames,
  options,
  type OptionName,
  type OptionSource,
  type ServerOptions,
} from './options.ts'

/** One value that cannot be used. */
export interface OptionProblem {
  /** As it was given, such as `concurency`. */
  readonly key: string
  /** What is wrong, to stand behind the key: `expected a duration …, got "5"`. */
  readonly complaint: string
  /** The same as a sentence of its own: `expected pollInterval to be a duration …, got "5"`. */
  readonly sentence: string
}

/**
 * Reads values that are named as the source names them. Text is converted, because flags, environment
 * variables and substituted values in files are text. A value that is undefined counts as absent, and
 * so does an empty environment variable. Unknown variables are left alone (other programs use the
 * prefix too); every other unknown name is a problem.
 */
export function readOptions(
  values: Readonly<Record<string, unknown>>,
  source: OptionSource,
): { options: Partial<ServerOptions>; problems: OptionProblem[] } {
  const byLabel = new Map(optionNames().map(name => [labelOf(name, source), name]))
  const read: Record<string, unknown> = {}
  const problems: OptionProblem[] = []
  for (const [key, value] of Object.entries(values)) {
    const name = byLabel.get(key)
    if (value === undefined || (source === 'environment' && (value === '' || !name))) continue
    const reading = name && options[name].read(value)
    if (!reading) problems.push(unknownKey(key, source))
    else if ('value' in reading) read[name] = reading.value
    else problems.push(wrongValue(key, reading))
  }
  return { options: read, problems }
}

/**
 * Reads values as `readOptions` does.
 * @throws {ClusterError} CW_OPTION (program, flag) or CW_CONFIG (environment, file) with a sentence for
 * each problem; `field` is the first one's key
 */
export function parseOptions(
  values: Readonly<Record<string, unknown>>,
  source: OptionSource,
): Partial<ServerOptions> {
  const { options, problems } = readOptions(values, source)
  const [first] = problems
  if (!first) return options
  const code = source === 'program' || source === 'flag' ? 'CW_OPTION' : 'CW_CONFIG'
  const sentences = problems.map(problem => problem.sentence)
  throw new ClusterError(code, sentences.join('\n'), { field: first.key, problems: sentences })
}

function unknownKey(key: string, source: OptionSource): OptionProblem {
  const known = optionNames().flatMap(
    name =>
      [
        [name, name],
        [labelOf(name, 'file'), name],
      ] as const,
  )
  const nearest = new Map<string, OptionName>(known).get(
    nearestName(
      key,
      known.map(([text]) => text),
    ) ?? '',
  )
  const hint = nearest ? ` (did you mean ${labelOf(nearest, source)}?)` : ''
  return {
    key,
    complaint: `unknown key${hint}`,
    sentence: `expected the name of an option, got ${key}${hint}`,
  }
}

function wrongValue(
  key: string,
  { expected, got }: { expected: string; got: string },
): OptionProblem {
  return {
    key,
    complaint: `expected ${expected}, got ${got}`,
    sentence: `expected ${key} to be ${expected}, got ${got}`,
  }
}
