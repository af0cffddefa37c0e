import { findUrlFault } from './database-url.ts'
import { parseDuration, type Duration } from './duration.ts'

export type OptionKind = 'string' | 'number' | 'duration' | 'boolean' | 'list'

/** The value, or what to say instead. */
export type Reading<Value> = { value: Value } | { expected: string; got: string }

/** Knows what an option's values look like. */
export interface Reader<Value> {
  readonly kind: OptionKind
  /** Takes a value of the right type, or text that says it. */
  read(given: unknown): Reading<Value>
}

/** A PostgreSQL URL. What was given is never shown, because it may hold a password. */
export function connectionUrl(): Reader<string> {
  return {
    kind: 'string',
    read(given) {
      if (typeof given !== 'string') return { expected: 'a PostgreSQL URL', got: nameType(given) }
      return findUrlFault(given) ?? { value: given }
    },
  }
}

/** Text of one form. */
export function word(form: RegExp, expected: string): Reader<string> {
  return reader('string', expected, given =>
    typeof given === 'string' && form.test(given) ? given : undefined,
  )
}

/** One of a few words. */
export function oneOf<Word extends string>(words: readonly Word[]): Reader<Word> {
  return reader('string', `one of ${words.join(', ')}`, given => words.find(one => one === given))
}

export function wholeNumber(min: number, max: number, what: string = 'an integer'): Reader<number> {
  return reader('number', `${what} from ${min} to ${max}`, given => {
    const number = toNumber(given)
    return Number.isInteger(number) && isWithin(number, min, max) ? number : undefined
  })
}

export function range(min: number, max: number): Reader<number> {
  return reader('number', `a number from ${min} to ${max}`, given => {
    const number = toNumber(given)
    return isWithin(number, min, max) ? number : undefined
  })
}

export function toggle(): Reader<boolean> {
  return reader('boolean', 'true or false', given => {
    if (typeof given === 'boolean') return given
    return {
      true: true,
      yes: true,
      on: true,
      '1': true,
      false: false,
      no: false,
      off: false,
      '0': false,
    }[typeof given === 'string' ? given.toLowerCase() : '']
  })
}

/** A duration within limits, read to milliseconds. */
export function duration(shortest: Duration, longest: Duration): Reader<number> {
  const min = parseDuration(shortest, 'shortest', { min: 0 })
  const max = parseDuration(longest, 'longest', { max: Number.MAX_SAFE_INTEGER })
  return reader('duration', `a duration such as '30s' from ${shortest} to ${longest}`, given => {
    if (typeof given !== 'string' && typeof given !== 'number') return undefined
    try {
      return parseDuration(given, 'duration', { min, max })
    } catch {
      return undefined
    }
  })
}

/** What another reader takes, or a word that stands for something else. */
export function orWord<Value, const Word extends string>(
  reader: Reader<Value>,
  word: Word,
): Reader<Value | Word> {
  return {
    kind: reader.kind,
    read(given) {
      if (given === word) return { value: word }
      const reading = reader.read(given)
      if ('value' in reading) return reading
      return { expected: `${reading.expected}, or ${word}`, got: reading.got }
    },
  }
}

/** A list of texts that are not empty; one text may hold several, separated by commas. */
export function texts(expected: string): Reader<readonly string[]> {
  return names(/^[^\0]+$/, expected)
}

/** A list of texts of one form; one text may hold several, separated by commas. */
export function names(form: RegExp, expected: string): Reader<readonly string[]> {
  return reader('list', expected, given => {
    const list: unknown =
      typeof given === 'string' ? given.split(',').map(text => text.trim()) : given
    return Array.isArray(list) && list.every(text => typeof text === 'string' && form.test(text))
      ? list
      : undefined
  })
}

function reader<Value>(
  kind: OptionKind,
  expected: string,
  accept: (given: unknown) => Value | undefined,
): Reader<Value> {
  return {
    kind,
    read(given) {
      const value = accept(given)
      return value === undefined ? { expected, got: show(given) } : { value }
    },
  }
}

function toNumber(given: unknown): number {
  if (typeof given === 'number') return given
  return typeof given === 'string' && /^-?\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
}

function isWithin(number: number, min: number, max: number): boolean {
  return number >= min && number <= max
}

function show(given: unknown): string {
  if (typeof given !== 'string' && !Array.isArray(given))
    return given === null || typeof given !== 'object' ? String(given) : nameType(given)
  const text = JSON.stringify(given)
  return text.length > 70 ? `${text.slice(0, 70)}…` : text
}

function nameType(given: unknown): string {
  return given === null ? 'null' : `a value of type ${typeof given}`
}
