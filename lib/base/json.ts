import { ClusterError, type ErrorCode } from '../errors.ts'

/** The largest input or step output, as UTF-8 bytes of JSON. */
export const largestJsonBytes: number = 1024 * 1024

/** The deepest nesting of objects and arrays. */
const deepest = 100

/**
 * Turns a value into the JSON text that PostgreSQL stores. Unlike `JSON.stringify` it loses nothing silently:
 * what JSON or jsonb cannot hold is refused with the path to it. Properties that are undefined are left out.
 * Each property is read once, so a getter or `toJSON` that answers differently each time does no harm.
 * @param field the name of the whole, with which the path begins
 * @throws {ClusterError} with the given code
 */
export function toJsonText(value: unknown, field: string, code: ErrorCode): string {
  if (value === undefined || value === null) return 'null'
  const refuse = (path: string, why: string): ClusterError =>
    new ClusterError(code, `expected ${path} to be storable as JSON, got ${why}`, { field: path })
  const budget = { left: largestJsonBytes }
  const plain = copy(value, {
    key: field,
    parent: undefined,
    ancestors: [],
    budget,
    refuse,
  })
  const text = JSON.stringify(plain)
  if (Buffer.byteLength(text) > largestJsonBytes) throw refuse(field, tooLarge)
  return text
}

/** Makes any text storable: NULs become visible, halves of surrogate pairs become U+FFFD. */
export function storableText(text: string): string {
  return text.replaceAll('\u0000', '\u2400').toWellFormed()
}

/** Where a value is. Its path is put together when something is refused. */
interface Place {
  /** The name of the whole, of a property, or the number of an element. */
  readonly key: string | number
  readonly parent: Place | undefined
  readonly ancestors: readonly object[]
  readonly budget: { left: number }
  readonly refuse: (path: string, why: string) => ClusterError
}

const tooLarge = `more than ${largestJsonBytes} bytes; put large data elsewhere and pass where it is`

function copy(value: unknown, place: Place): unknown {
  if (value === null) return spend(4, null, place)
  if (typeof value === 'string') return checkText(value, place)
  if (typeof value === 'boolean') return spend(4, value, place)
  if (typeof value === 'object') return copyObject(value, place)
  if (typeof value === 'number' && Number.isFinite(value)) return spend(8, value, place)
  throw refuse(place, nameOf(value))
}

function refuse(place: Place, why: string): ClusterError {
  return place.refuse(pathOf(place), why)
}

function pathOf({ key, parent }: Place): string {
  if (!parent) return String(key)
  if (typeof key === 'number') return `${pathOf(parent)}[${key}]`
  const part = /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key.slice(0, 60))}]`
  return `${pathOf(parent)}${part}`
}

function nameOf(value: unknown): string {
  if (typeof value === 'bigint') return 'a BigInt; pass it as text'
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  return String(value)
}

function checkText(text: string, place: Place): string {
  if (text.includes('\u0000')) throw refuse(place, 'text with a NUL character')
  if (!text.isWellFormed()) throw refuse(place, 'text with half a surrogate pair')
  return spend(text.length, text, place)
}

function spend<T>(size: number, value: T, place: Place): T {
  place.budget.left -= size
  if (place.budget.left < 0) throw refuse(place, tooLarge)
  return value
}

function copyObject(value: object, place: Place): unknown {
  const { ancestors } = place
  if (ancestors.includes(value)) throw refuse(place, 'an object that contains itself')
  if (ancestors.length >= deepest) throw refuse(place, `more than ${deepest} levels of nesting`)
  const inside = { ...place, ancestors: [...ancestors, value] }
  try {
    if (Array.isArray(value)) return copyArray(value, inside)
    if ('toJSON' in value && typeof value.toJSON === 'function')
      return copyToJson(value as { toJSON(): unknown }, inside)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null && isExotic(value))
      throw refuse(
        place,
        `a ${value.constructor.name}; pass its content as an object, array or text`,
      )
    return copyProperties(value, inside)
  } catch (error) {
    if (error instanceof ClusterError) throw error
    throw refuse(place, 'an object that throws when it is read')
  }
}

/** Objects whose content `JSON.stringify` would lose: maps, sets, errors, boxed values, bytes … */
function isExotic(value: object): boolean {
  return Object.prototype.toString.call(value) !== '[object Object]'
}

function copyToJson(value: { toJSON(): unknown }, place: Place): unknown {
  if (ArrayBuffer.isView(value)) throw refuse(place, 'a Buffer; pass its content as text')
  if (value instanceof Date && Number.isNaN(value.getTime())) throw refuse(place, 'an invalid Date')
  return copy(value.toJSON(), place)
}

function copyArray(array: readonly unknown[], place: Place): unknown[] {
  return Array.from(array, (element, index) => spend(1, copy(element, within(place, index)), place))
}

function copyProperties(object: object, place: Place): object {
  const keys = Object.keys(object)
  // Without a prototype, a property named __proto__ is a property like any other; with one, it is faster.
  const result = (keys.includes('__proto__') ? Object.create(null) : {}) as Record<string, unknown>
  for (const key of keys) {
    const inside = within(place, key)
    const value = (object as Record<string, unknown>)[key]
    if (value === undefined) continue
    result[checkText(key, inside)] = copy(value, inside)
  }
  return result
}

function within(parent: Place, key: string | number): Place {
  const { ancestors, budget, refuse: refuseAt } = parent
  return { key, parent, ancestors, budget, refuse: refuseAt }
}
