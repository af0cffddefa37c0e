import { z } from 'zod'
import { nearestName } from '../../base/nearest-name.ts'
import { showValue } from '../../base/show-value.ts'
import { ClusterError } from '../../errors.ts'

/**
 * Checks the options of a source.
 * @throws {ClusterError} CW_SOURCE_OPTION for the first that is wrong; `field` is like `source.url`
 */
export function readOptions<Shape extends z.ZodRawShape>(
  type: string,
  form: z.ZodObject<Shape>,
  options: Readonly<Record<string, unknown>>,
): z.output<z.ZodObject<Shape>> {
  const read = form.safeParse(options)
  if (read.success) return read.data
  const [issue] = read.error.issues
  if (issue?.code === 'unrecognized_keys') throw unknownOption(type, issue, Object.keys(form.shape))
  const field = fieldOf(issue?.path ?? [])
  const given = valueAt(options, issue?.path ?? [])
  const got = given === undefined ? 'it is missing' : `got ${showValue(given)}`
  const expected = messageOfIssue(issue)
  throw wrongOption(field, `${field} of a source of type ${type}: ${expected}, ${got}`)
}

export function wrongOption(field: string, message: string): ClusterError {
  return new ClusterError('CW_SOURCE_OPTION', message, { field })
}

/** `{ secret: NAME }`: a value that only the servers have. */
export type SecretForm = z.ZodObject<{ secret: z.ZodString }, z.core.$strict>

export const secretForm: SecretForm = z.strictObject({
  secret: z.string().regex(/^[A-Z][A-Z0-9_]{0,99}$/, 'expected a name of A-Z, 0-9 and _'),
})

/** A URL of a web server. Credentials are secrets, and stand in options of their own. */
export const httpUrl: z.ZodString = z.string().refine(text => {
  const url = URL.parse(text.replaceAll(/[{}]/g, 'x'))
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  return isHttp && url.username === '' && url.password === ''
}, 'expected an http or https URL without a user and password')

function unknownOption(
  type: string,
  { path, keys }: z.core.$ZodIssueUnrecognizedKeys,
  known: readonly string[],
): ClusterError {
  const [key = ''] = keys
  const field = fieldOf([...path, key])
  const nearest = path.length === 0 ? nearestName(key, known) : undefined
  const hint = nearest ? `did you mean ${nearest}?` : `known are ${known.join(', ')}`
  const help = path.length === 0 ? ` (${hint})` : ''
  return wrongOption(field, `${field}: a source of type ${type} has no such option${help}`)
}

function messageOfIssue(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code === 'invalid_type') return `expected ${issue.expected}`
  return issue?.message ?? 'it is wrong'
}

function fieldOf(path: readonly PropertyKey[]): string {
  return ['source', ...path.map(String)].join('.')
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    value,
  )
}
