import { z } from 'zod'
import { nearestName } from '../base/nearest-name.ts'
import { parseByteSize, type ByteSize } from '../base/byte-size.ts'
import type { Path } from './yaml-source.ts'

/** A process as a YAML file says it. */
export interface YamlProcess {
  name: string
  version?: string | undefined
  description?: string | undefined
  input?: Record<string, unknown> | undefined
  steps: YamlStep[]
  onFailure?: YamlStep[] | undefined
}

export interface YamlStep extends YamlCommand {
  name: string
  undo?: [string, ...string[]] | YamlCommand | undefined
  undoUnfinished?: boolean | undefined
  outputLimit?: ByteSize | undefined
  successCodes?: number[] | undefined
  artifact?: YamlArtifact | undefined
  deployed?: YamlDeployed | undefined
}

/** A step that takes a version, instead of a command. */
export interface YamlArtifact {
  component: string
  version?: string | undefined
  to?: string | undefined
  status?: string | string[] | undefined
  target?: string | undefined
}

/** A step that records what is where, instead of a command. */
export interface YamlDeployed {
  /** The name of the step that has taken the version. */
  step: string
  target: string
}

export interface YamlCommand {
  run?: [string, ...string[]] | undefined
  shell?: string | undefined
  cwd?: string | undefined
  env?: Record<string, string> | undefined
  timeout?: string | undefined
}

const text = z.string()
const argv = z.tuple([text], text)

const commandKeys = {
  run: argv.optional(),
  shell: text.optional(),
  cwd: text.optional(),
  env: z.record(text, text).optional(),
  timeout: text.optional(),
}

const artifactKeys = {
  component: text,
  version: text.optional(),
  to: text.optional(),
  status: z.union([text, z.array(text)]).optional(),
  target: text.optional(),
}

const deployedKeys = { step: text, target: text }

const stepKeys = {
  name: text,
  ...commandKeys,
  undo: z.union([argv, z.strictObject(commandKeys)]).optional(),
  undoUnfinished: z.boolean().optional(),
  outputLimit: z
    .custom<ByteSize>(value => parseByteSize(value) !== undefined, 'expected a size such as 16MiB')
    .optional(),
  successCodes: z.array(z.int()).optional(),
  artifact: z.strictObject(artifactKeys).optional(),
  deployed: z.strictObject(deployedKeys).optional(),
}

const processKeys = {
  name: text,
  version: text.optional(),
  description: text.optional(),
  input: z.record(text, z.unknown()).optional(),
  steps: z.array(z.strictObject(stepKeys)).min(1),
  onFailure: z.array(z.strictObject(stepKeys)).optional(),
}

const processShape: z.ZodType<YamlProcess> = z.strictObject(processKeys)

/** What does not fit the shape: where, about which key if about a key, and what. */
export interface ShapeProblem {
  readonly path: Path
  readonly key?: string
  readonly message: string
}

const typeNames: Readonly<Record<string, string>> = {
  array: 'a list',
  tuple: 'a list',
  object: 'a map',
  record: 'a map',
  string: 'text',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
}

/** Checks a value against the shape of a process. */
export function readShape(value: unknown): { process: YamlProcess } | { problems: ShapeProblem[] } {
  const result = processShape.safeParse(value)
  if (result.success) return { process: result.data }
  return { problems: result.error.issues.flatMap(issue => problemsOf(issue, value)) }
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown): ShapeProblem[] {
  const { path } = issue
  const got = valueAt(value, path)
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map(key => ({ path: [...path, key], key, message: unknownKey(key, path) }))
  if (issue.code === 'invalid_union')
    return (issue.errors[Array.isArray(got) ? 0 : 1] ?? []).flatMap(inner =>
      problemsOf({ ...inner, path: [...path, ...inner.path] }, value),
    )
  if (got === undefined) return [{ path, message: 'is missing' }]
  return [{ path, message: `${expectation(issue)}, got ${show(got)}` }]
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_small') return 'expected at least one'
  if (issue.code !== 'invalid_type') return issue.message
  return `expected ${typeNames[issue.expected] ?? issue.expected}`
}

function unknownKey(key: string, path: Path): string {
  const known = Object.keys(knownKeys(path))
  const nearest = nearestName(key, known)
  return nearest
    ? `unknown key (did you mean ${nearest}?)`
    : `unknown key; known are ${known.join(', ')}`
}

function knownKeys(path: Path): object {
  if (path.length === 0) return processKeys
  const within = { undo: commandKeys, artifact: artifactKeys, deployed: deployedKeys }
  const place = String(path.at(-1))
  return Object.hasOwn(within, place) ? within[place as keyof typeof within] : stepKeys
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    value,
  )
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  return typeof value === 'object' && value !== null ? 'a map' : JSON.stringify(value)
}
