import type { Reader } from '../lib/base/option-readers.ts'
import { ClusterError } from '../lib/errors.ts'

/**
 * Reads the value of a flag; undefined when it was not given.
 * @throws {ClusterError} CW_OPTION with a sentence
 */
export function readFlag<Value>(
  flag: string,
  reader: Reader<Value>,
  given: string | undefined,
): Value | undefined {
  if (given === undefined) return undefined
  const reading = reader.read(given)
  if ('value' in reading) return reading.value
  const { expected, got } = reading
  throw new ClusterError('CW_OPTION', `expected ${flag} to be ${expected}, got ${got}`, {
    field: flag,
  })
}
