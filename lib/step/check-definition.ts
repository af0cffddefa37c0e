import { parseDuration, type Duration } from '../base/duration.ts'
import { ClusterError } from '../errors.ts'

/** Makes the errors of one step's definition: all are CW_DEFINITION, name the step and the field. */
export type Reject = (field: string, sentence: string) => ClusterError

export function rejectFor(step: string): Reject {
  return (field, sentence) =>
    new ClusterError('CW_DEFINITION', `step '${step}': ${sentence}`, { field })
}

/**
 * Checks that options are an object with no other keys than these.
 * @param path where the options are, such as `undo`; nothing for the step's own
 * @throws {ClusterError} CW_DEFINITION
 */
export function checkKeys(
  options: unknown,
  known: readonly string[],
  path: string,
  reject: Reject,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw reject(path, `expected ${path || 'options'} to be an object, got ${kindOf(options)}`)
  const unknown = Object.keys(options).find(key => !known.includes(key))
  if (unknown !== undefined)
    throw reject(
      fieldAt(path, unknown),
      `expected only the options ${known.join(', ')}, got ${JSON.stringify(fieldAt(path, unknown))}`,
    )
}

/**
 * Reads a timeout.
 * @returns milliseconds; nothing when there is no timeout
 * @throws {ClusterError} CW_DEFINITION
 */
export function readTimeout(
  timeout: Duration | undefined,
  field: string,
  step: string,
): number | undefined {
  if (timeout === undefined) return undefined
  try {
    return parseDuration(timeout, field)
  } catch (thrown) {
    if (thrown instanceof ClusterError) throw rejectFor(step)(field, thrown.message)
    throw thrown
  }
}

/**
 * Reads whether the undo also takes back a step that did not finish.
 * @throws {ClusterError} CW_DEFINITION
 */
export function readUndoUnfinished(value: unknown, hasUndo: boolean, reject: Reject): boolean {
  if (value === undefined) return false
  if (typeof value !== 'boolean')
    throw reject(
      'undoUnfinished',
      `expected undoUnfinished to be true or false, got ${kindOf(value)}`,
    )
  if (!hasUndo)
    throw reject('undoUnfinished', 'expected undoUnfinished to stand beside an undo, got none')
  return value
}

/** The name of an option that may be inside another: `undo.timeout`. */
export function fieldAt(path: string, key: string): string {
  return path ? `${path}.${key}` : key
}

/** What something is, for a sentence that must not print its value. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Promise) return 'a promise'
  if (typeof value === 'object') return 'an object'
  return value === undefined ? 'nothing' : `a ${typeof value}`
}
