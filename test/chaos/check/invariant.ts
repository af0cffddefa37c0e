import type { Evidence } from '../evidence.ts'

/** Something that must hold, whatever happened. */
export interface Invariant {
  readonly name: string
  /** Whether it is written down as a limit: a violation is reported, and does not fail the run. */
  readonly isKnownLimit?: boolean
  /** @returns a sentence for each violation */
  find(evidence: Evidence): string[]
}

/** The values by their keys, in their order. */
export function groupBy<T>(values: Iterable<T>, keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const key = keyOf(value)
    const group = groups.get(key)
    if (group) group.push(value)
    else groups.set(key, [value])
  }
  return groups
}

/** The values that come more than once. */
export function findRepeated(values: readonly string[]): string[] {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const value of values)
    if (seen.has(value)) repeated.add(value)
    else seen.add(value)
  return [...repeated]
}
