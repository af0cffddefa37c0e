import { nearestName } from '../base/nearest-name.ts'
import { ClusterError } from '../errors.ts'
import type { Step, StepContext } from '../step/step.ts'

/** Fixed text, or a function that puts it together when the step begins. */
export type Template = string | ((context: StepContext) => string)

/** A step whose output a text may use. */
export interface EarlierStep {
  /** Comes in later for a step that is still being built. */
  readonly get: () => Step<never, unknown>
  /** What of its output: `stdout`. */
  readonly results: readonly string[]
}

/** The steps whose output a text may use, by name. */
export type EarlierSteps = ReadonlyMap<string, EarlierStep>

const token = /\$\$\{|\$\{([^{}]*)\}|\$\{/g

/**
 * Reads a text with placeholders: `${input.path.to.value}`, `${requestId}`, `${token}`, `${node}`,
 * `${output.<step>.stdout}`, `${output.<step>.exitCode}`, of a step that takes a version `${output.<step>.version}` and
 * `${output.<step>.folder}`; `$${` stands for `${`.
 * @throws {ClusterError} CW_DEFINITION when a placeholder is not known
 */
export function readTemplate(text: string, steps: EarlierSteps): Template {
  const parts: Template[] = []
  let end = 0
  for (const { 0: whole, 1: name, index } of text.matchAll(token)) {
    parts.push(text.slice(end, index), whole === '$${' ? '${' : readPlaceholder(name, steps))
    end = index + whole.length
  }
  parts.push(text.slice(end))
  if (parts.every(part => typeof part === 'string')) return parts.join('')
  return context => parts.map(part => (typeof part === 'string' ? part : part(context))).join('')
}

/**
 * Reads the text of a shell command, in which nothing is replaced; `$${` stands for `${`.
 * @throws {ClusterError} CW_DEFINITION when it has a placeholder
 */
export function readShellText(text: string): string {
  return text.replaceAll(token, whole => {
    if (whole === '$${') return '${'
    throw wrong(
      `expected shell text without ${whole}: nothing is put into a shell command; ` +
        `set a variable under env and write "$NAME" here (for a \${ of the shell itself write $\${)`,
    )
  })
}

function readPlaceholder(
  name: string | undefined,
  steps: EarlierSteps,
): (context: StepContext) => string {
  if (name === undefined)
    throw wrong("expected a '}' after every ${ (write $${ for the characters themselves)")
  if (name === 'requestId' || name === 'token' || name === 'node') return context => context[name]
  if (/^input(\.[^.]+)*$/.test(name)) return readInput(name)
  const [, step, result = ''] = /^output\.(.+)\.(stdout|exitCode|version|folder)$/.exec(name) ?? []
  if (step !== undefined) return readOutput(step, result, steps)
  throw wrong(unknownPlaceholder(name, steps))
}

function readInput(name: string): (context: StepContext) => string {
  const keys = name.split('.').slice(1)
  return ({ input }) => {
    let value = input
    for (const key of keys)
      value =
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? Reflect.get(value, key)
          : undefined
    if (value === undefined || value === null)
      throw new ClusterError('CW_STEP_FAILED', `expected ${name} to have a value, got none`, {
        field: name,
      })
    return typeof value === 'string' ? value : JSON.stringify(value)
  }
}

function readOutput(
  name: string,
  result: string,
  steps: EarlierSteps,
): (context: StepContext) => string {
  const step = steps.get(name)
  if (!step) {
    const nearest = nearestName(name, steps.keys())
    throw wrong(
      `expected an earlier step in \${output.${name}.${result}}, got '${name}'${nearest ? ` (did you mean ${nearest}?)` : ''}`,
    )
  }
  if (!step.results.includes(result))
    throw wrong(`the output of step ${name} has no ${result}, only ${step.results.join(' and ')}`)
  return context => String((context.output(step.get()) as Record<string, unknown>)[result])
}

function unknownPlaceholder(name: string, steps: EarlierSteps): string {
  const outputs = Array.from(steps, ([step, { results }]) => `output.${step}.${results[0]}`)
  const [first = '', ...rest] = name.split('.')
  const root = nearestName(first, ['input', 'output'])
  const nearest =
    root === 'input' && rest.length > 0
      ? ['input', ...rest].join('.')
      : nearestName(name, ['requestId', 'token', 'node', 'input', ...outputs])
  return (
    `unknown placeholder \${${name}}${nearest ? ` (did you mean \${${nearest}}?)` : ''}; known are ` +
    '${input.<key>}, ${output.<earlier step>.stdout}, ${requestId}, ${token} and ${node}'
  )
}

function wrong(message: string): ClusterError {
  return new ClusterError('CW_DEFINITION', message)
}
