import { storableText, toJsonText } from './base/json.ts'
import { showValue } from './base/show-value.ts'
import type { Database, Queryable } from './db/database.ts'
import {
  enqueueBatch,
  sessionOf,
  type CallerTransaction,
  type Enqueued,
  type NewRequest,
} from './db/requests.ts'
import { SharedEnqueue, type Wakes } from './enqueue-together.ts'
import { ClusterError } from './errors.ts'
import { PublishedSchemas } from './published-schemas.ts'
import { checkAgainst } from './run/parse-input.ts'
import { isProcess, type Process } from './step/define-process.ts'
import { checkName } from './step/name.ts'
import type { StandardSchemaV1 } from './step/standard-schema.ts'

/** How one request is to be run. */
export interface RequestOptions {
  /** From -32768 to 32767; higher runs first. Defaults to 0. */
  priority?: number
  /** Not to be started before this moment, by the database's clock. Defaults to at once. */
  runAt?: Date | string
  /** At most 255 characters. For a process, the same key with the same input gives the first request again. */
  idempotencyKey?: string
}

export interface BatchOptions {
  /** The caller's transaction: a `pg` client or a knex transaction. The requests exist when it commits. */
  transaction?: CallerTransaction
  /** Accept a process that no server has published yet. Defaults to false. */
  allowUnknown?: boolean
}

export type EnqueueOptions = RequestOptions & BatchOptions

/** One request of a batch. */
export interface RequestToEnqueue extends RequestOptions {
  /** A definition or a name. */
  process: Process | string
  /** Defaults to an empty object. */
  input?: unknown
}

const known: Record<'process' | 'request' | 'batch', readonly string[]> = {
  process: ['process', 'input'],
  request: ['priority', 'runAt', 'idempotencyKey'],
  batch: ['transaction', 'allowUnknown'],
}

/** Checks requests and inserts them. */
export class Enqueuer {
  readonly #db: Database
  readonly #processes: ReadonlyMap<string, Process>
  readonly #waker: Wakes
  readonly #shared: SharedEnqueue
  readonly #published: PublishedSchemas
  readonly #calls = new Set<Promise<Enqueued>>()

  /** @param waker tells the servers that there is work */
  constructor(db: Database, processes: ReadonlyMap<string, Process>, waker: Wakes) {
    this.#db = db
    this.#processes = processes
    this.#waker = waker
    this.#published = new PublishedSchemas(db)
    this.#shared = new SharedEnqueue(db, waker)
  }

  /**
   * Inserts one request, together with those that are asked for at the same time unless it is in the caller's transaction.
   * @throws {ClusterError} naming the field that is wrong
   */
  async enqueueOne(request: RequestToEnqueue, options: BatchOptions): Promise<Enqueued> {
    const { transaction, allowUnknown = false } = options
    if (transaction !== undefined) return (await this.enqueue([request], options))[0] as Enqueued
    checkAllowUnknown(allowUnknown)
    const call = this.#enqueueShared(request, allowUnknown)
    this.#calls.add(call)
    try {
      return await call
    } finally {
      this.#calls.delete(call)
    }
  }

  /** Resolves when each call of `enqueueOne` that is under way was answered; a program may go on calling. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#calls)
  }

  /**
   * Inserts all requests or, when one is wrong, none.
   * @throws {ClusterError} naming the field that is wrong
   */
  async enqueue(requests: readonly RequestToEnqueue[], options: BatchOptions): Promise<Enqueued[]> {
    const { transaction, allowUnknown = false } = options
    // In the caller's transaction everything is asked there: its connection may be the pool's only one.
    const session = transaction === undefined ? undefined : sessionOf(transaction)
    checkAllowUnknown(allowUnknown)
    const schemas = new Map<string, Promise<StandardSchemaV1 | undefined>>()
    const schemaOf = (name: string): Promise<StandardSchemaV1 | undefined> => {
      const schema = schemas.get(name) ?? this.#schemaOf(name, session)
      schemas.set(name, schema)
      return schema
    }
    const checked: NewRequest[] = []
    for (const [index, request] of requests.entries()) {
      const prefix = requests.length === 1 ? '' : `requests[${index}].`
      checked.push(await check(request, prefix, schemaOf))
    }
    const enqueued = await enqueueBatch(this.#db, checked, { transaction, allowUnknown })
    // Inside the caller's transaction nobody can see the requests yet; the next poll will.
    if (!transaction && enqueued.length > 0) this.#waker.wake()
    return enqueued
  }

  async #enqueueShared(request: RequestToEnqueue, allowUnknown: boolean): Promise<Enqueued> {
    const checked = await check(request, '', name => this.#schemaOf(name))
    return this.#shared.enqueue(checked, allowUnknown)
  }

  /** The input schema of a process that is named only: our own definition's, else what servers published. */
  async #schemaOf(name: string, session?: Queryable): Promise<StandardSchemaV1 | undefined> {
    const own = this.#processes.get(name)
    return own ? own.input : this.#published.find(name, session)
  }
}

/**
 * Refuses an option that we do not know, so that a misspelt one is not ignored.
 * @param where names the options themselves, for the error
 */
export function checkKeys(
  options: unknown,
  kinds: readonly ('process' | 'request' | 'batch')[],
  where: () => string = () => 'options',
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw wrong(where(), 'an object', options)
  for (const key of Object.keys(options))
    if (!kinds.some(kind => known[kind].includes(key))) throw unknownOption(key, kinds, where())
}

function unknownOption(key: string, kinds: readonly (keyof typeof known)[], where: string) {
  const names = kinds.flatMap(kind => known[kind]).join(', ')
  return new ClusterError(
    'CW_OPTION',
    `unknown option ${storableText(key).slice(0, 60)}; known are ${names}`,
    { field: where === 'options' ? key : `${where}.${key}` },
  )
}

const ofRequests = ['process', 'request'] as const

/** Refuses what are no requests, as `checkKeys` does. */
export function checkRequests(requests: unknown): void {
  if (!Array.isArray(requests)) throw wrong('requests', 'an array', requests)
  for (const [index, request] of requests.entries())
    checkKeys(request, ofRequests, () => `requests[${index}]`)
}

function checkAllowUnknown(allowUnknown: unknown): void {
  if (typeof allowUnknown !== 'boolean') throw wrong('allowUnknown', 'true or false', allowUnknown)
}

async function check(
  request: RequestToEnqueue,
  prefix: string,
  schemaOf: (name: string) => Promise<StandardSchemaV1 | undefined>,
): Promise<NewRequest> {
  const { process, input = {}, priority = 0, runAt, idempotencyKey } = request
  const definition = isProcess(process) ? process : undefined
  // The name of a definition was checked when it was made.
  const name = definition?.name ?? checkName(process, `${prefix}process`, 'CW_OPTION')
  const text = toJsonText(input, `${prefix}input`, 'CW_INPUT_UNSERIALISABLE')
  const schema = definition ? definition.input : await schemaOf(name)
  // What is checked is what is stored: the JSON, not the caller's object.
  if (schema) await checkAgainst(schema, JSON.parse(text), name, `${prefix}input`)
  return {
    process: name,
    input: text,
    priority: checkPriority(priority, prefix),
    runAt: runAt === undefined ? null : checkMoment(runAt, prefix),
    idempotencyKey: idempotencyKey === undefined ? null : checkKey(idempotencyKey, prefix),
  }
}

function checkPriority(priority: unknown, prefix: string): number {
  if (Number.isInteger(priority) && Math.abs(Number(priority) + 0.5) <= 32_767.5)
    return Number(priority)
  throw wrong(`${prefix}priority`, 'an integer from -32768 to 32767', priority)
}

/** The years that PostgreSQL and every JavaScript library write with four digits. */
const moments = { first: Date.UTC(1970, 0, 1), last: Date.UTC(9999, 11, 31) }

function checkMoment(runAt: unknown, prefix: string): Date {
  const field = `${prefix}runAt`
  const expected =
    'a Date or an ISO 8601 moment with its zone, such as 2030-01-31T06:00:00Z, from 1970 to 9999'
  // Without a zone the moment would depend on where the program runs.
  const isMoment =
    runAt instanceof Date ||
    (typeof runAt === 'string' &&
      /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/.test(runAt) &&
      isDay(runAt.slice(0, 10)))
  if (!isMoment) throw wrong(field, expected, runAt)
  const moment = new Date(runAt)
  const ms = moment.getTime()
  if (!(ms >= moments.first && ms <= moments.last)) throw wrong(field, expected, runAt)
  return moment
}

/** JavaScript takes 30 February for 2 March. */
function isDay(text: string): boolean {
  const day = new Date(text)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

function checkKey(key: unknown, prefix: string): string {
  const field = `${prefix}idempotencyKey`
  if (typeof key !== 'string' || key === '' || key.length > 255 || storableText(key) !== key)
    throw wrong(field, 'text of 1 to 255 characters', key)
  return key
}

function wrong(field: string, expected: string, got: unknown): ClusterError {
  return new ClusterError(
    'CW_OPTION',
    `expected ${field} to be ${expected}, got ${showValue(got)}`,
    {
      field,
    },
  )
}
