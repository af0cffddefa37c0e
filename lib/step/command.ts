import { checkKeys, readUndoUnfinished, rejectFor } from './check-definition.ts'
import type { Argv, CommandOptions, UndoCommand } from './command-options.ts'
import { orderOf } from './command-order.ts'
import { planCommand, readOutputLimit, readSuccessCodes, type CommandPlan } from './command-plan.ts'
import { checkName } from './name.ts'
import { runCommand, type CommandOutput } from './run-command.ts'
import { makeStep, type Step, type StepRun } from './step.ts'

const programKeys = ['run', 'shell', 'cwd', 'env', 'timeout']
const commandKeys = [...programKeys, 'undo', 'undoUnfinished', 'outputLimit', 'successCodes']

/**
 * A step that runs a program.
 * @throws {ClusterError} CW_DEFINITION when the name or an option cannot be used; `field` says which
 */
export function command<Input = any>(
  name: string,
  options: CommandOptions<Input>,
): Step<Input, CommandOutput> {
  checkName(name, 'name')
  const reject = rejectFor(name)
  checkKeys(options, commandKeys, '', reject)
  const outputLimit = readOutputLimit(options.outputLimit, reject)
  const successCodes = readSuccessCodes(options.successCodes, reject)
  const plan = planCommand(options, '', { outputLimit, successCodes }, name)
  const undo = planUndo(options, plan, name)
  const undoUnfinished = readUndoUnfinished(options.undoUnfinished, undo !== undefined, reject)

  return makeStep<Input, CommandOutput>({
    name,
    kind: 'command',
    timeoutMs: plan.timeoutMs,
    fingerprint: fingerprintOf({
      command: name,
      plan,
      undo,
      undoUnfinished: undoUnfinished || undefined,
    }),
    perform: run => perform(plan, run),
    undo:
      undo &&
      (async run => {
        await perform(undo, run)
      }),
    undoUnfinished,
  })
}

function planUndo<Input>(
  options: CommandOptions<Input>,
  { outputLimit }: CommandPlan<Input>,
  name: string,
): CommandPlan<Input> | undefined {
  const { undo, cwd, env, timeout } = options
  if (undo === undefined) return undefined
  const limits = { outputLimit, successCodes: [0] }
  if (isArgv(undo)) return planCommand({ run: undo, cwd, env, timeout }, 'undo', limits, name)
  checkKeys(undo, programKeys, 'undo', rejectFor(name))
  return planCommand(undo, 'undo', limits, name)
}

function isArgv<Input>(undo: Argv<Input> | UndoCommand<Input>): undo is Argv<Input> {
  return Array.isArray(undo)
}

async function perform<Input>(
  plan: CommandPlan<Input>,
  run: StepRun<Input>,
): Promise<CommandOutput> {
  return runCommand(await orderOf(plan, run), run)
}

/** Functions count by their text; JSON leaves out what is not set. */
function fingerprintOf(parts: unknown): string {
  return JSON.stringify(parts, (_key, value: unknown) =>
    typeof value === 'function' ? { source: String(value) } : value,
  )
}
