import { argumentFault, variableNameFault, type Arg } from './argument.ts'
import { parseByteSize } from '../base/byte-size.ts'
import { fieldAt, kindOf, readTimeout, rejectFor, type Reject } from './check-definition.ts'
import type { CommandSurroundings, Program } from './command-options.ts'
import type { StepContext } from './step.ts'

/** A command as it was defined, checked; its functions are called when the step begins. */
export interface CommandPlan<Input> {
  /** Where it stands in the definition, such as `undo`; nothing for the step's own command. */
  readonly path: string
  readonly argv: readonly Arg<Input>[]
  /** What the sentences call it, when not by its program. */
  readonly title: string | undefined
  readonly cwd: Arg<Input> | undefined
  readonly env:
    | readonly (readonly [name: string, value: Arg<Input>])[]
    | ((context: StepContext<Input>) => Readonly<Record<string, string>>)
  readonly timeoutMs: number | undefined
  /** Undefined when the server decides. */
  readonly outputLimit: number | undefined
  readonly successCodes: readonly number[]
}

/** Settings as they may come from a program that no compiler checked. */
type Unset<Settings> = { [Key in keyof Settings]: Settings[Key] | undefined }

/** Checks the definition of one command. @throws {ClusterError} CW_DEFINITION */
export function planCommand<Input>(
  settings: Program<Input> & Unset<CommandSurroundings<Input>>,
  path: string,
  limits: Pick<CommandPlan<Input>, 'outputLimit' | 'successCodes'>,
  step: string,
): CommandPlan<Input> {
  const reject = rejectFor(step)
  const { cwd, env = {}, timeout } = settings
  if (cwd !== undefined) checkArg(cwd, fieldAt(path, 'cwd'), reject)
  return {
    path,
    ...planProgram(settings, path, reject),
    cwd,
    env: typeof env === 'function' ? env : planEnv(env, fieldAt(path, 'env'), reject),
    timeoutMs: readTimeout(timeout, fieldAt(path, 'timeout'), step),
    ...limits,
  }
}

function planProgram<Input>(
  { run, shell }: Program<Input>,
  path: string,
  reject: Reject,
): Pick<CommandPlan<Input>, 'argv' | 'title'> {
  const runField = fieldAt(path, 'run')
  const shellField = fieldAt(path, 'shell')
  if ((run === undefined) === (shell === undefined))
    throw reject(
      runField,
      `expected exactly one of ${runField} and ${shellField}, got ${run === undefined ? 'none' : 'both'}`,
    )
  if (shell !== undefined) return planShell(shell, shellField, reject)
  if (!Array.isArray(run) || run.length === 0)
    throw reject(
      runField,
      `expected ${runField} to be a list of a program and its arguments, got ${run?.length === 0 ? 'an empty one' : kindOf(run)}`,
    )
  for (const [index, arg] of run.entries()) checkArg(arg, `${runField}[${index}]`, reject)
  if (run[0] === '')
    throw reject(`${runField}[0]`, `expected ${runField}[0] to be a program, got ''`)
  return { argv: [...run], title: undefined }
}

function planShell(shell: unknown, field: string, reject: Reject) {
  const fault = typeof shell === 'string' ? argumentFault(shell) : `a string, got ${kindOf(shell)}`
  if (fault) throw reject(field, `expected ${field} to be ${fault}`)
  const text = String(shell)
  if (text.trim() === '') throw reject(field, `expected ${field} to be a script, got an empty one`)
  return { argv: ['/bin/sh', '-c', text], title: firstLineOf(text) }
}

function firstLineOf(script: string): string {
  const [line = '', ...more] = script.trim().split('\n')
  return line.length > 60 || more.length > 0 ? `${line.slice(0, 60).toWellFormed()}…` : line
}

function planEnv<Input>(env: Readonly<Record<string, Arg<Input>>>, field: string, reject: Reject) {
  if (typeof env !== 'object' || env === null || Array.isArray(env))
    throw reject(field, `expected ${field} to be an object or a function, got ${kindOf(env)}`)
  const entries = Object.entries(env).filter(([, value]) => value !== undefined)
  for (const [name, value] of entries) {
    const fault = variableNameFault(name)
    if (fault) throw reject(field, `expected a variable of ${field} to have ${fault}`)
    checkArg(value, `${field}.${name}`, reject)
  }
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function checkArg(value: unknown, field: string, reject: Reject): void {
  const fault = typeof value === 'function' ? undefined : argumentFault(value)
  if (fault) throw reject(field, `expected ${field} to be ${fault}`)
}

export function readOutputLimit(value: unknown, reject: Reject): number | undefined {
  if (value === undefined) return undefined
  const bytes = parseByteSize(value)
  if (bytes !== undefined) return bytes
  throw reject(
    'outputLimit',
    `expected outputLimit to be a number of bytes or a size such as '16MiB', got ${typeof value === 'string' ? `'${value}'` : typeof value === 'number' ? value : kindOf(value)}`,
  )
}

export function readSuccessCodes(value: unknown, reject: Reject): readonly number[] {
  if (value === undefined) return [0]
  if (Array.isArray(value) && value.length > 0 && value.every(isExitCode)) return [...value]
  throw reject(
    'successCodes',
    `expected successCodes to be a list of exit codes from 0 to 255, got ${JSON.stringify(value)}`,
  )
}

function isExitCode(code: unknown): boolean {
  return Number.isInteger(code) && Number(code) >= 0 && Number(code) <= 255
}
