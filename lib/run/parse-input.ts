import { ClusterError } from '../errors.ts'
import type { Process } from '../step/define-process.ts'
import type { StandardSchemaV1 } from '../step/standard-schema.ts'

/** The stored input as the process's schema returns it. */
export async function parseInput(process: Process, stored: unknown): Promise<unknown> {
  return process.input ? checkAgainst(process.input, stored, process.name) : stored
}

/**
 * Checks an input and gives what the schema makes of it.
 * @param root what the whole input is called in the error
 * @throws {ClusterError} CW_INPUT_INVALID naming each field that is wrong
 */
export async function checkAgainst<Parsed>(
  schema: StandardSchemaV1<unknown, Parsed>,
  input: unknown,
  process: string,
  root: string = 'input',
): Promise<Parsed> {
  const result = await schema['~standard'].validate(input)
  if (!result.issues) return result.value
  const problems = result.issues.map(issue => ({
    field: pathOf(root, issue.path),
    message: issue.message,
  }))
  throw new ClusterError(
    'CW_INPUT_INVALID',
    `the input does not fit process '${process}': ${problems.map(({ field, message }) => `${field}: ${message}`).join('; ')}`,
    { field: problems[0]?.field, fields: problems.map(problem => problem.field) },
  )
}

function pathOf(
  root: string,
  path: readonly (PropertyKey | { readonly key: PropertyKey })[] = [],
): string {
  return path.reduce<string>((text, segment) => {
    const key = typeof segment === 'object' ? segment.key : segment
    return typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`
  }, root)
}
