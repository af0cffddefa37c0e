import { ClusterError, messageOf } from '../errors.ts'
import { kindOf } from './check-definition.ts'
import type { StepContext } from './step.ts'

/** An argument, folder or variable of a command: fixed, or computed when the step begins. */
export type Arg<Input> = string | number | ((context: StepContext<Input>) => string | number)

/**
 * Computes an argument.
 * @param field where it stands, such as `run[2]`
 * @throws {ClusterError} CW_STEP_FAILED when its function throws, or gives what no program can receive
 */
export function resolveArgument<Input>(
  argument: Arg<Input>,
  context: StepContext<Input>,
  field: string,
): string {
  const value = typeof argument === 'function' ? compute(argument, context, field) : argument
  const fault = argumentFault(value)
  if (fault) throw new ClusterError('CW_STEP_FAILED', `expected ${field} to be ${fault}`, { field })
  return String(value)
}

/** Calls a function of the definition. @throws {ClusterError} CW_STEP_FAILED when it throws */
export function compute<Input, Value>(
  fn: (context: StepContext<Input>) => Value,
  context: StepContext<Input>,
  field: string,
): Value {
  try {
    return fn(context)
  } catch (cause) {
    throw new ClusterError(
      'CW_STEP_FAILED',
      `the function of ${field} threw: ${messageOf(cause)}`,
      {
        field,
        cause,
      },
    )
  }
}

/**
 * Why a program cannot receive this value: `<what was expected>, got <what came>`. The value itself is
 * not shown, it may be a secret.
 */
export function argumentFault(value: unknown): string | undefined {
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : `a finite number, got ${value}`
  if (typeof value !== 'string') return `a string or a number, got ${kindOf(value)}`
  const nul = value.indexOf('\0')
  if (nul >= 0) return `text without NUL characters, got one at position ${nul}`
  if (!value.isWellFormed()) return 'well-formed Unicode text, got half of a surrogate pair'
  return undefined
}

/** Why an environment variable cannot have this name. */
export function variableNameFault(name: string): string | undefined {
  if (name === '') return 'a name, got an empty string'
  if (name.includes('=')) return "a name without '=', got one with it"
  return argumentFault(name)
}
