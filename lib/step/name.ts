import { ClusterError, type ErrorCode } from '../errors.ts'

const longestName = 100

/** Control and formatting characters (bidi, zero-width, soft hyphen), line ends, lone surrogates. */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/**
 * Checks the name of a process or a step: 1 to 100 visible characters in Unicode normal form C, without
 * white space at either end. Two names that look the same to an operator are then the same.
 * @param field what the name belongs to, for the error
 * @param code what the error is
 * @returns the name
 * @throws {ClusterError} with that code when it cannot be a name
 */
export function checkName(
  value: unknown,
  field: string,
  code: ErrorCode = 'CW_DEFINITION',
): string {
  const fault = faultOf(value)
  if (typeof value === 'string' && !fault) return value
  throw new ClusterError(code, `expected ${field} to be a name, got ${fault}`, { field })
}

function faultOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return value === null ? 'null' : typeof value
  if (value === '') return 'an empty string'
  const length = Array.from(value.slice(0, 2 * longestName + 1)).length
  if (length > longestName) return `more than ${longestName} characters`
  const hidden = invisible.exec(value)
  if (hidden) return `one with the invisible character ${codePoint(hidden[0])}`
  if (value !== value.trim()) return 'one that begins or ends with white space'
  if (value !== value.normalize('NFC')) return 'one that is not in Unicode normal form C'
  return undefined
}

function codePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}
