import { createHash } from 'node:crypto'
import { ClusterError } from '../errors.ts'
import { checkName } from './name.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'
import type { Step } from './step.ts'

/** A process: what is done, in which order, for a request that asks for it. Made by `defineProcess`. */
export interface Process<in out Input = any, in out Parsed = any> {
  readonly name: string
  /** Given by its author, or derived from the definition. */
  readonly version: string
  readonly description: string | undefined
  readonly input: StandardSchemaV1<Input, Parsed> | undefined
  readonly steps: readonly Step<Parsed, unknown>[]
  readonly onFailure: readonly Step<Parsed, unknown>[]
}

export interface ProcessDefinition<Input, Parsed> {
  /** At most 100 characters. Requests name the process by it. */
  name: string
  /** Defaults to a hash of the definition. */
  version?: string
  description?: string
  /** Any Standard Schema (zod, valibot, arktype). Checked when a request is enqueued and again before it runs. Defaults to none: any JSON. */
  input?: StandardSchemaV1<Input, Parsed>
  /** Run one after the other. */
  steps: readonly Step<NoInfer<Parsed>, unknown>[]
  /** Run, after the undos, when a step has failed. A failing one does not keep the others from running. */
  onFailure?: readonly Step<NoInfer<Parsed>, unknown>[]
}

const knownKeys = new Set(['name', 'version', 'description', 'input', 'steps', 'onFailure'])
const mark = Symbol.for('cluster-worker.process')

/** How many steps a process may have, so that their positions fit. */
const mostSteps = 10_000

/**
 * Defines a process.
 * @throws {ClusterError} CW_DEFINITION naming the field that is wrong
 */
export function defineProcess<Input, Parsed>(
  definition: ProcessDefinition<Input, Parsed>,
): Process<Input, Parsed> {
  if (typeof definition !== 'object' || definition === null)
    throw wrong('definition', 'an object', definition)
  for (const key of Object.keys(definition))
    if (!knownKeys.has(key))
      throw new ClusterError(
        'CW_DEFINITION',
        `unknown field ${key}; known are ${[...knownKeys].join(', ')}`,
        { field: key },
      )
  const { name, description, input } = definition
  checkName(name, 'name')
  const steps = checkSteps(definition.steps, `${name}: steps`)
  if (steps.length === 0) throw wrong(`${name}: steps`, 'at least one step', '[]')
  const onFailure = checkSteps(definition.onFailure ?? [], `${name}: onFailure`)
  if (input !== undefined && typeof input?.['~standard']?.validate !== 'function')
    throw wrong(
      `${name}: input`,
      'a Standard Schema such as one of zod, valibot or arktype',
      typeof input,
    )
  if (definition.version !== undefined) checkName(definition.version, 'version')
  const process = {
    name,
    version: definition.version ?? hashOf([...steps, ...onFailure]),
    description,
    input,
    steps,
    onFailure,
  }
  Object.defineProperty(process, mark, { value: true })
  return Object.freeze(process)
}

/** Whether a value was made by `defineProcess` (of this or another copy of the package). */
export function isProcess(value: unknown): value is Process {
  return typeof value === 'object' && value !== null && mark in value
}

function checkSteps<Parsed>(steps: readonly Step<Parsed, unknown>[], field: string) {
  if (!Array.isArray(steps)) throw wrong(field, 'an array of steps', typeof steps)
  if (steps.length > mostSteps) throw wrong(field, `at most ${mostSteps} steps`, steps.length)
  const names = new Set<string>()
  for (const [index, step] of steps.entries()) {
    if (typeof step !== 'function' || typeof step.perform !== 'function')
      throw wrong(`${field}[${index}]`, 'a step made by command() or call()', typeof step)
    if (names.has(step.name))
      throw new ClusterError(
        'CW_DEFINITION',
        `expected each step of ${field} to have a name of its own, got two named '${step.name}'`,
        { field: `${field}[${index}]` },
      )
    names.add(step.name)
  }
  return Object.freeze([...steps]) as readonly Step<Parsed, unknown>[]
}

function hashOf(steps: readonly Step<never, unknown>[]): string {
  const text = steps.map(step => `${step.name}\n${step.kind}\n${step.fingerprint}`).join('\n\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

function wrong(field: string, expected: string, got: unknown): ClusterError {
  return new ClusterError(
    'CW_DEFINITION',
    `expected ${field} to be ${expected}, got ${String(got)}`,
    { field },
  )
}

/** Whether running it starts programs. */
export function hasCommands({ steps, onFailure }: Process): boolean {
  return [...steps, ...onFailure].some(step => step.kind === 'command')
}
