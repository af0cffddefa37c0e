import semver from 'semver'
import { ClusterError } from '../errors.ts'

/** A published version that may be chosen, the one that was found last first. */
export interface Candidate {
  readonly id: string
  readonly name: string
}

/**
 * The version that a specification means: `latest`, the one that was found last; a version's own name; or a range such as
 * `^1.4` or `>=2 <3`, the highest version in it. A name comes before a range: `1.4` means the version 1.4 when there is
 * one. In versions like `app-1.4.2` or `v1.4.2` a range looks at the number.
 * @param candidates those that are published and have every status that is asked for
 */
export function chooseVersion(
  spec: string,
  candidates: readonly Candidate[],
): Candidate | undefined {
  if (spec === 'latest') return candidates[0]
  const named = candidates.find(({ name }) => name === spec)
  if (named) return named
  const range = semver.validRange(spec, { loose: true })
  if (range === null || range === '') return undefined
  let best: { candidate: Candidate; number: semver.SemVer } | undefined
  for (const candidate of candidates) {
    const number = numberOf(candidate.name)
    if (!number || !semver.satisfies(number, range, { loose: true })) continue
    if (!best || semver.compare(number, best.number) > 0) best = { candidate, number }
  }
  return best?.candidate
}

/**
 * Checks that something can be the specification of a version.
 * @throws {ClusterError} CW_OPTION
 */
export function checkVersionSpec(spec: unknown, field: string): string {
  if (typeof spec === 'string' && spec.length > 0 && spec.length <= 200) return spec
  throw new ClusterError(
    'CW_OPTION',
    `expected ${field} to be 'latest', a version or a range of versions, got ${typeof spec === 'string' ? `text of ${spec.length} characters` : String(spec)}`,
    { field },
  )
}

/** `1.4.2` in `app-1.4.2`; undefined for a name without such a number. */
function numberOf(name: string): semver.SemVer | undefined {
  const at = name.search(/\d+\.\d+\.\d+/)
  const number = at < 0 ? semver.coerce(name) : semver.parse(name.slice(at), { loose: true })
  return number ?? undefined
}
