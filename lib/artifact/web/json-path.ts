/** The way to something in a JSON document: `releases[*].version`, where `[*]` is every element of a list. */
export type JsonPath = readonly (string | number | typeof every)[]

export const every: unique symbol = Symbol('every')

const form = /^(?:[^.[\]]+|\[(?:\d+|\*)\])(?:\.[^.[\]]+|\[(?:\d+|\*)\])*$/

/** @returns the path, or nothing for a text that is none; the empty text is the whole document */
export function parseJsonPath(text: string): JsonPath | undefined {
  if (text === '') return []
  if (!form.test(text)) return undefined
  return [...text.matchAll(/[^.[\]]+|\[(\d+|\*)\]/g)].map(([name, index]) => {
    if (index === undefined) return name
    return index === '*' ? every : Number(index)
  })
}

/** All values at the end of a path. Only what the document has itself counts. */
export function valuesAt(document: unknown, path: JsonPath): unknown[] {
  let values = [document]
  for (const part of path)
    values = values.flatMap(value => {
      if (part === every) return Array.isArray(value) ? value : []
      return isObject(value) && Object.hasOwn(value, part) ? [Reflect.get(value, part)] : []
    })
  return values
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
