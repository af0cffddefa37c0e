import { ClusterError } from '../errors.ts'
import type { Argv, CommandSurroundings, UndoCommand } from '../step/command-options.ts'
import { command } from '../step/command.ts'
import type { Step } from '../step/step.ts'
import {
  readShellText,
  readTemplate,
  type EarlierStep,
  type EarlierSteps,
  type Template,
} from './template.ts'
import { buildVersionStep } from './yaml-version-step.ts'
import type { YamlCommand, YamlProcess, YamlStep } from './yaml-shape.ts'
import type { Path } from './yaml-source.ts'

/** What of the output of each kind of step texts may use. */
const results = { command: ['stdout', 'exitCode'], artifact: ['version', 'folder'], deployed: [] }

/** Does a part of the work; what is wrong there is noted with this path, and gives nothing. */
export type Attempt = <Value>(path: Path, work: () => Value) => Value | undefined

/**
 * Builds the steps of a process. A step may use the output of those before it, its undo its own output
 * too, and an on-failure step the output of all.
 */
export function buildSteps(
  definition: YamlProcess,
  attempt: Attempt,
): { steps: Step<unknown, unknown>[]; onFailure: Step<unknown, unknown>[] } {
  const earlier = new Map<string, EarlierStep>()
  const buildAll = (list: readonly YamlStep[], key: string): Step<unknown, unknown>[] => {
    checkNames(list, key, attempt)
    return list.flatMap((step, index) => buildStep(step, [key, index], earlier, attempt) ?? [])
  }
  return {
    steps: buildAll(definition.steps, 'steps'),
    onFailure: buildAll(definition.onFailure ?? [], 'onFailure'),
  }
}

function checkNames(list: readonly YamlStep[], key: string, attempt: Attempt): void {
  const names = new Set<string>()
  for (const [index, { name }] of list.entries())
    attempt([key, index, 'name'], () => {
      if (names.has(name)) throw wrong(`another step is named ${name} too`)
      names.add(name)
    })
}

function buildStep(
  step: YamlStep,
  path: Path,
  earlier: Map<string, EarlierStep>,
  attempt: Attempt,
): Step<unknown, unknown> | undefined {
  const { name } = step
  const kind = kindOf(step)
  if (kind === undefined) {
    buildSurroundings(step, path, earlier, attempt)
    attempt(path, () => {
      throw wrong(`expected exactly one of ${kinds.join(', ')}, got ${countKinds(step)}`)
    })
  }
  // Before its own output is known to the texts; its undo may use it.
  const program = kind === 'command' ? buildProgram(step, path, earlier, attempt) : undefined
  let built: Step<unknown, unknown> | undefined
  if (kind === 'artifact' || kind === 'deployed')
    built = buildVersionStep(step, path, earlier, attempt)
  earlier.set(name, {
    results: results[kind ?? 'command'],
    get() {
      if (built) return built
      throw wrong(`expected step ${name} to be defined, got one with an error`)
    },
  })
  built ??= program && buildCommand(step, program, path, earlier, attempt)
  return built
}

const kinds = ['run', 'shell', 'artifact', 'deployed'] as const

/** Undefined when it is none, or more than one. */
function kindOf(step: YamlStep): keyof typeof results | undefined {
  const [kind, ...more] = kinds.filter(key => step[key] !== undefined)
  if (kind === undefined || more.length > 0) return undefined
  return kind === 'artifact' || kind === 'deployed' ? kind : 'command'
}

function countKinds(step: YamlStep): string {
  return kinds.filter(key => step[key] !== undefined).join(' and ') || 'none'
}

function buildCommand(
  step: YamlStep,
  program: UndoCommand<unknown>,
  path: Path,
  earlier: EarlierSteps,
  attempt: Attempt,
): Step<unknown, unknown> | undefined {
  const { name, undo, undoUnfinished, outputLimit, successCodes } = step
  const takeBack = undo && buildUndo(undo, [...path, 'undo'], earlier, attempt)
  return attempt(path, () =>
    command(name, {
      ...program,
      ...(takeBack && { undo: takeBack }),
      ...(undoUnfinished !== undefined && { undoUnfinished }),
      ...(outputLimit !== undefined && { outputLimit }),
      ...(successCodes && { successCodes }),
    }),
  )
}

function buildUndo(
  undo: NonNullable<YamlStep['undo']>,
  path: Path,
  steps: EarlierSteps,
  attempt: Attempt,
): Argv<unknown> | UndoCommand<unknown> | undefined {
  return Array.isArray(undo)
    ? buildArgv(undo, path, steps, attempt)
    : buildProgram(undo, path, steps, attempt)
}

function buildProgram(
  settings: YamlCommand,
  path: Path,
  steps: EarlierSteps,
  attempt: Attempt,
): UndoCommand<unknown> | undefined {
  const { run, shell } = settings
  const surroundings = buildSurroundings(settings, path, steps, attempt)
  const argv = run && buildArgv(run, [...path, 'run'], steps, attempt)
  const script =
    shell === undefined ? undefined : attempt([...path, 'shell'], () => readShellText(shell))
  if ((run === undefined) === (shell === undefined))
    return attempt(path, () => {
      throw wrong(`expected exactly one of run and shell, got ${run ? 'both' : 'none'}`)
    })
  if (argv) return { run: argv, ...surroundings }
  return script === undefined ? undefined : { shell: script, ...surroundings }
}

function buildSurroundings(
  { cwd, env, timeout }: YamlCommand,
  path: Path,
  steps: EarlierSteps,
  attempt: Attempt,
): CommandSurroundings<unknown> {
  const text = (value: string, ...keys: string[]): Template =>
    attempt([...path, ...keys], () => readTemplate(value, steps)) ?? value
  return {
    ...(cwd !== undefined && { cwd: text(cwd, 'cwd') }),
    ...(env && {
      env: Object.fromEntries(
        Object.entries(env).map(([name, value]) => [name, text(value, 'env', name)]),
      ),
    }),
    ...(timeout !== undefined && { timeout }),
  }
}

function buildArgv(
  argv: NonNullable<YamlCommand['run']>,
  path: Path,
  steps: EarlierSteps,
  attempt: Attempt,
): Argv<unknown> {
  const text = (value: string, index: number): Template =>
    attempt([...path, index], () => readTemplate(value, steps)) ?? value
  const [program, ...rest] = argv
  return [text(program, 0), ...rest.map((value, index) => text(value, index + 1))]
}

function wrong(message: string): ClusterError {
  return new ClusterError('CW_DEFINITION', message)
}
