import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { ClusterError, messageOf } from '../errors.ts'
import type { StandardIssue, StandardResult, StandardSchemaV1 } from './standard-schema.ts'

/** A JSON Schema is read from files and from the database, so its size is bounded. */
const longestSchema = 256 * 1024

/** More issues than this help nobody, and a long list of wrong values would give one for each. */
const mostIssues = 50

/**
 * Makes a Standard Schema of a JSON Schema (draft 2020-12). Defaults in the schema are applied to the
 * value it returns; the value it is given stays as it was. References may point into the schema only,
 * and formats are notes that are not checked.
 * @throws {ClusterError} CW_DEFINITION when it is no JSON Schema, or larger than 256 KiB
 */
export function standardSchemaOf(jsonSchema: object): StandardSchemaV1 {
  const copy = copyOf(jsonSchema)
  const check = compile(copy)
  return {
    '~standard': {
      version: 1,
      vendor: 'cluster-worker',
      validate: value => validate(check, value),
      jsonSchema: { input: () => structuredClone(copy), output: () => structuredClone(copy) },
    },
  }
}

/** The JSON Schema of what may be given to the schema; undefined when the schema cannot say. */
export function jsonSchemaOf(schema: StandardSchemaV1): object | undefined {
  try {
    return schema['~standard'].jsonSchema?.input({ target: 'draft-2020-12' })
  } catch {
    return undefined
  }
}

function copyOf(jsonSchema: unknown): Record<string, unknown> {
  if (typeof jsonSchema !== 'object' || jsonSchema === null || Array.isArray(jsonSchema))
    throw refuse(`expected input to be a JSON Schema object, got ${JSON.stringify(jsonSchema)}`)
  const text = stringify(jsonSchema)
  if (Buffer.byteLength(text) > longestSchema)
    throw refuse(
      `expected input to be a JSON Schema of at most ${longestSchema} bytes, got ${Buffer.byteLength(text)}`,
    )
  return JSON.parse(text)
}

function stringify(jsonSchema: object): string {
  try {
    return JSON.stringify(jsonSchema)
  } catch (cause) {
    throw refuse(`expected input to be a JSON Schema: ${messageOf(cause)}`, cause)
  }
}

function compile(jsonSchema: Record<string, unknown>): ValidateFunction {
  // An asynchronous schema would answer with a promise that counts as true.
  if (jsonSchema['$async'] !== undefined)
    throw refuse('expected input to be a JSON Schema without $async')
  try {
    const ajv = new Ajv2020({
      strict: false,
      allErrors: true,
      logger: false,
      useDefaults: true,
      validateFormats: false,
    })
    return ajv.compile(jsonSchema)
  } catch (cause) {
    throw refuse(`expected input to be a JSON Schema: ${messageOf(cause)}`, cause)
  }
}

function validate(check: ValidateFunction, given: unknown): StandardResult<unknown> {
  try {
    const value: unknown = structuredClone(given)
    if (check(value)) return { value }
    return { issues: (check.errors ?? []).slice(0, mostIssues).map(error => issueOf(error, given)) }
  } catch (thrown) {
    // A schema that refers to itself for ever, or a value nested deeper than the stack.
    return { issues: [{ message: `cannot be checked: ${messageOf(thrown)}` }] }
  }
}

function issueOf(error: ErrorObject, given: unknown): StandardIssue {
  const { message, ownKey } = explain(error)
  const path = pathOf(error.instancePath, given)
  return { message, path: ownKey === undefined ? path : [...path, ownKey] }
}

/** The sentence, and the key when the issue is about a key of the value that the error points at. */
function explain({ keyword, params, message }: ErrorObject): { message: string; ownKey?: string } {
  switch (keyword) {
    case 'required':
      return { message: 'is required', ownKey: params['missingProperty'] }
    case 'additionalProperties':
      return { message: 'is not known', ownKey: params['additionalProperty'] }
    case 'unevaluatedProperties':
      return { message: 'is not known', ownKey: params['unevaluatedProperty'] }
    case 'enum':
      return { message: `must be one of ${JSON.stringify(params['allowedValues'])}` }
    case 'const':
      return { message: `must be ${JSON.stringify(params['allowedValue'])}` }
    default:
      return { message: message ?? keyword }
  }
}

/** The keys of a JSON pointer: numbers where the value has a list, strings elsewhere. */
function pathOf(pointer: string, given: unknown): PropertyKey[] {
  let at = given
  return pointer
    .split('/')
    .slice(1)
    .map(part => {
      const text = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const key = Array.isArray(at) ? Number(text) : text
      at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined
      return key
    })
}

function refuse(message: string, cause?: unknown): ClusterError {
  return new ClusterError('CW_DEFINITION', message, { field: 'input', cause })
}
