import type { ListFilter, RequestState } from './db/status.ts'
import type { Outcome } from './base/record.ts'
import { showValue } from './base/show-value.ts'
import { storableText } from './base/json.ts'
import { ClusterError } from './errors.ts'

/** A request's id: a whole number, best as text, because it may be larger than a JavaScript number holds. */
export type RequestId = string | number | bigint

export interface RequestFilter {
  process?: string
  state?: RequestState
  outcome?: Outcome
  /** The node id of the server that runs or ran it. */
  node?: string
  /** From 1 to 1000. Defaults to 50. */
  limit?: number
  /** Only requests with a smaller id: the last one of the page before. */
  before?: RequestId
}

/** The largest bigint of PostgreSQL. */
const largestId = 2n ** 63n - 1n

const states = ['scheduled', 'queued', 'running', 'finished']
const outcomes = ['succeeded', 'failed', 'cancelled']
const known = ['process', 'state', 'outcome', 'node', 'limit', 'before']

/**
 * The id as PostgreSQL takes it.
 * @throws {ClusterError} CW_OPTION when it cannot be an id
 */
export function checkId(id: unknown, field: string = 'id'): string {
  const isWhole =
    typeof id === 'bigint' ||
    Number.isSafeInteger(id) ||
    (typeof id === 'string' && /^[0-9]{1,19}$/.test(id))
  if (isWhole) {
    const number = BigInt(id as string | number | bigint)
    if (number > 0n && number <= largestId) return number.toString()
  }
  throw wrong(field, 'the id of a request, a positive whole number', id)
}

/** @throws {ClusterError} CW_OPTION naming what is wrong */
export function checkFilter(filter: RequestFilter): ListFilter {
  if (typeof filter !== 'object' || filter === null) throw wrong('filter', 'an object', filter)
  for (const key of Object.keys(filter))
    if (!known.includes(key))
      throw new ClusterError(
        'CW_OPTION',
        `unknown filter ${storableText(key).slice(0, 60)}; known are ${known.join(', ')}`,
        { field: key },
      )
  const { process, state, outcome, node, limit = 50, before } = filter
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
    throw wrong('limit', 'a whole number from 1 to 1000', limit)
  if (state !== undefined && !states.includes(state))
    throw wrong('state', `one of ${states.join(', ')}`, state)
  if (outcome !== undefined && !outcomes.includes(outcome))
    throw wrong('outcome', `one of ${outcomes.join(', ')}`, outcome)
  checkText(process, 'process')
  checkText(node, 'node')
  return {
    process,
    state,
    outcome,
    node,
    limit,
    before: before === undefined ? undefined : checkId(before, 'before'),
  }
}

function checkText(value: unknown, field: string): void {
  if (value !== undefined && (typeof value !== 'string' || storableText(value) !== value))
    throw wrong(field, 'text', value)
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

export function unknownRequest(id: string): ClusterError {
  return new ClusterError('CW_REQUEST_UNKNOWN', `there is no request ${id}`, { field: 'id' })
}
