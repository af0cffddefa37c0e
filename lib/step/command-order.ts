import { resolve } from 'node:path'
import { ClusterError } from '../errors.ts'
import { compute, resolveArgument, variableNameFault } from './argument.ts'
import { fieldAt, kindOf } from './check-definition.ts'
import type { CommandPlan } from './command-plan.ts'
import { contextOf } from './context.ts'
import type { CommandOrder } from './run-command.ts'
import { markProgram } from './process-tree.ts'
import type { StepContext, StepRun } from './step.ts'

/**
 * Computes the arguments, the folder and the environment of a command for one run.
 * @throws {ClusterError} CW_STEP_FAILED when one of them cannot be computed, or handed to a program
 */
export async function orderOf<Input>(
  plan: CommandPlan<Input>,
  run: StepRun<Input>,
): Promise<CommandOrder> {
  const { path, argv, title, cwd, timeoutMs, outputLimit = run.outputLimit, successCodes } = plan
  const context = contextOf(run, run)
  const runField = fieldAt(path, 'run')
  const [file = '', ...args] = argv.map((arg, index) =>
    resolveArgument(arg, context, `${runField}[${index}]`),
  )
  if (file === '') throw failed(`${runField}[0]`, 'to be a program, got an empty string')
  const folder =
    cwd === undefined ? await run.workFolder() : resolveArgument(cwd, context, fieldAt(path, 'cwd'))
  return {
    file,
    args,
    cwd: resolve(folder),
    env: {
      ...run.environment,
      ...computeEnv(plan, context),
      // Last, so that nothing in a definition changes what the guardians find it by.
      ...markProgram(run.environment, run.requestId),
    },
    title: `command '${title ?? file}'`,
    timeoutMs,
    outputLimit,
    successCodes,
  }
}

function computeEnv<Input>(
  { env, path }: CommandPlan<Input>,
  context: StepContext<Input>,
): Record<string, string> {
  const field = fieldAt(path, 'env')
  const entries =
    typeof env === 'function' ? Object.entries(computeEnvObject(env, context, field)) : env
  return Object.fromEntries(
    entries.map(([name, value]) => {
      const fault = variableNameFault(name)
      if (fault) throw failed(field, `to have ${fault}`, 'a variable of ')
      return [name, resolveArgument(value, context, `${field}.${name}`)]
    }),
  )
}

function computeEnvObject<Input>(
  env: (context: StepContext<Input>) => Readonly<Record<string, string>>,
  context: StepContext<Input>,
  field: string,
): Readonly<Record<string, string>> {
  const variables: unknown = compute(env, context, field)
  if (isRecord(variables)) return variables
  throw failed(
    field,
    `to return an object of strings, got ${kindOf(variables)}`,
    'the function of ',
  )
}

function isRecord(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Promise)
  )
}

function failed(field: string, expectation: string, part = ''): ClusterError {
  return new ClusterError('CW_STEP_FAILED', `expected ${part}${field} ${expectation}`, { field })
}
