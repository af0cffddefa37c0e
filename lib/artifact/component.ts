import { z } from 'zod'
import { parseByteSize, type ByteSize } from '../base/byte-size.ts'
import { longestTimerMs, parseDuration, type Duration } from '../base/duration.ts'
import { ClusterError } from '../errors.ts'

/** A component, as programs and YAML files say it. */
export interface ComponentOptions {
  /** 1 to 100 of A-Z, a-z, 0-9, dot, dash, underscore and slash. */
  name: string
  description?: string | undefined
  /** Where its versions come from: a type, and the options of that type. */
  source: { type: string; [option: string]: unknown }
  /** `automatic`: each new version is imported; of those that the first check finds, the last one. Defaults to `automatic` */
  import?: 'automatic' | 'manual' | undefined
  /** `incremental`: each version has only what is new in it, and is used together with those before it. Defaults to `full` */
  versions?: 'full' | 'incremental' | undefined
  /** How often the source is asked: at the least every 15 s. Defaults to the cluster's setting `checkInterval` */
  checkInterval?: Duration | 'never' | undefined
  /** How long a check may take. Defaults to 2 minutes */
  checkTimeout?: Duration | undefined
  /** How long an import may take. Defaults to 1 hour */
  importTimeout?: Duration | undefined
  /** Patterns such as `bin/**`: only files that one of them fits. Defaults to all */
  include?: string[] | undefined
  /** Files that one of these patterns fits are left out. Defaults to none */
  exclude?: string[] | undefined
  /** What a version may have at the most. Defaults to 100,000 files and 20GiB */
  limits?: { files?: number | undefined; bytes?: ByteSize | undefined } | undefined
  /** Which versions are kept whatever their number and age say: see docs/components.md. Defaults to all */
  keep?: { count?: number | undefined; age?: Duration | undefined } | undefined
  /** Processes that are started once for each version that is published for the first time. */
  onNewVersion?: { process: string; input?: Record<string, unknown> | undefined }[] | undefined
}

/** A component with its defaults, as it is stored. Durations are in milliseconds. */
export interface Component {
  readonly name: string
  readonly description: string | null
  readonly source: Readonly<Record<string, unknown>> & { readonly type: string }
  readonly import: 'automatic' | 'manual'
  readonly versions: 'full' | 'incremental'
  /** Null: the cluster's setting. */
  readonly checkInterval: number | 'never' | null
  readonly checkTimeout: number
  readonly importTimeout: number
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  readonly limits: { readonly files: number; readonly bytes: number }
  /** Null: as many, or as long, as there are. */
  readonly keep: { readonly count: number | null; readonly age: number | null }
  readonly onNewVersion: readonly { process: string; input: Readonly<Record<string, unknown>> }[]
}

/** The shortest time between two checks of one component, and the one that holds unless somebody sets another. */
export const checkIntervals: { readonly shortest: number; readonly usual: number } = {
  shortest: 15_000,
  usual: 60_000,
}

const centuryMs = 100 * 365 * 86_400_000

const text = z.string().min(1)
const patterns = z.array(text).max(1000)
const count = z.int().min(1)

const size = z.custom<ByteSize>(
  value => parseByteSize(value) !== undefined,
  'expected a size such as 16MiB',
)

const form = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/, 'expected 1 to 100 of A-Z, a-z, 0-9 and . - _ /'),
  description: text.optional(),
  source: z.looseObject({ type: text }),
  import: z.enum(['automatic', 'manual']).optional(),
  versions: z.enum(['full', 'incremental']).optional(),
  checkInterval: z.union([z.string(), z.number()]).optional(),
  checkTimeout: z.union([z.string(), z.number()]).optional(),
  importTimeout: z.union([z.string(), z.number()]).optional(),
  include: patterns.optional(),
  exclude: patterns.optional(),
  limits: z.strictObject({ files: count.optional(), bytes: size.optional() }).optional(),
  keep: z
    .strictObject({ count: count.optional(), age: z.union([z.string(), z.number()]).optional() })
    .optional(),
  onNewVersion: z
    .array(z.strictObject({ process: text, input: z.record(text, z.unknown()).optional() }))
    .max(20)
    .optional(),
})

/**
 * Checks the definition of a component, and fills in the defaults.
 * @throws {ClusterError} CW_COMPONENT naming the field that is wrong
 */
export function readComponent(options: unknown): Component {
  const { data, error } = form.safeParse(options)
  if (!data) throw wrongField(options, error)
  const timeout = (field: 'checkTimeout' | 'importTimeout', usual: number): number =>
    data[field] === undefined ? usual : readDuration(field, data[field], { max: longestTimerMs })
  const { checkInterval, keep = {}, limits = {} } = data
  return {
    name: data.name,
    description: data.description ?? null,
    source: data.source,
    import: data.import ?? 'automatic',
    versions: data.versions ?? 'full',
    checkInterval:
      checkInterval === undefined || checkInterval === 'never'
        ? (checkInterval ?? null)
        : readCheckInterval(checkInterval, 'checkInterval'),
    checkTimeout: timeout('checkTimeout', 120_000),
    importTimeout: timeout('importTimeout', 3_600_000),
    include: data.include ?? [],
    exclude: data.exclude ?? [],
    limits: {
      files: limits.files ?? 100_000,
      bytes: limits.bytes === undefined ? 20 * 2 ** 30 : (parseByteSize(limits.bytes) as number),
    },
    keep: {
      count: keep.count ?? null,
      age: keep.age === undefined ? null : readDuration('keep.age', keep.age, { max: centuryMs }),
    },
    onNewVersion: (data.onNewVersion ?? []).map(({ process, input }) => ({
      process,
      input: input ?? {},
    })),
  }
}

/** @throws {ClusterError} CW_COMPONENT when it is no duration, or shorter than 15 s */
export function readCheckInterval(value: Duration, field: string): number {
  return readDuration(field, value, { min: checkIntervals.shortest, max: centuryMs })
}

function readDuration(
  field: string,
  value: Duration,
  limits: { min?: number; max: number },
): number {
  try {
    return parseDuration(value, field, limits)
  } catch (error) {
    throw error instanceof ClusterError ? wrong(field, error.message) : error
  }
}

function wrongField(options: unknown, error: z.ZodError): ClusterError {
  const [issue] = error.issues
  const unknownKey = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const field = [...(issue?.path ?? []), ...(unknownKey === undefined ? [] : [unknownKey])].join(
    '.',
  )
  const about =
    unknownKey === undefined ? (issue?.message ?? 'it is wrong') : 'there is no such option'
  const name = (options as { name?: unknown } | null)?.name
  const of = typeof name === 'string' ? ` of the component '${name.slice(0, 100)}'` : ''
  return wrong(field, `${field || 'the component'}${of}: ${about}`)
}

function wrong(field: string, message: string): ClusterError {
  return new ClusterError('CW_COMPONENT', message, { field })
}
