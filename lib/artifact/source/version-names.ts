import { compareBuild, parse } from 'semver'
import type { FoundVersion, SourceContext } from '../source.ts'
import { wrongOption } from './read-options.ts'

/** Finds the version in a name. */
export type NamePattern = (name: string) => string | undefined

const place = '{version}'
const longestVersion = 200

/**
 * Reads a pattern such as `app-{version}.tgz`.
 * @throws {ClusterError} CW_SOURCE_OPTION unless it has `{version}` exactly once
 */
export function readPattern(pattern: string, field: string): NamePattern {
  const [before = '', after, ...more] = pattern.split(place)
  if (after === undefined || more.length > 0)
    throw wrongOption(field, `expected ${field} to have ${place} exactly once, got '${pattern}'`)
  return name =>
    name.length > before.length + after.length && name.startsWith(before) && name.endsWith(after)
      ? name.slice(before.length, name.length - after.length)
      : undefined
}

/** Puts a version into a pattern. */
export function fillPattern(pattern: string, version: string): string {
  return pattern.replaceAll(place, () => version)
}

/**
 * The versions in their order, the oldest first: those that are no numbers by their names, and then those that are, by
 * their numbers. Names that no version can have are left out, and the log says so.
 */
export function orderVersions(
  found: Iterable<FoundVersion>,
  log: SourceContext['log'],
): FoundVersion[] {
  return keepUsable(found, log).toSorted((a, b) => compareVersions(a.name, b.name))
}

/** As they come; each name once, and no names that no version can have. */
export function keepUsable(
  found: Iterable<FoundVersion>,
  log: SourceContext['log'],
): FoundVersion[] {
  const usable = new Map<string, FoundVersion>()
  let left = 0
  for (const version of found)
    if (isUsable(version.name)) usable.set(version.name, version)
    else left += 1
  if (left > 0)
    log(
      `left out ${left} names that no version can have: too long, or with characters that cannot be printed`,
    )
  return [...usable.values()]
}

function isUsable(name: string): boolean {
  return (
    name.trim() !== '' &&
    name.length <= longestVersion &&
    name.isWellFormed() &&
    !/\p{Cc}/u.test(name)
  )
}

function compareVersions(a: string, b: string): number {
  const left = parse(a, { loose: true })
  const right = parse(b, { loose: true })
  if (left && right) return compareBuild(left, right) || naturally(a, b)
  if (left || right) return left ? 1 : -1
  return naturally(a, b)
}

function naturally(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : 1)
}
