import type { Path } from './yaml-source.ts'

/** The environment: an empty variable counts as one that is not set. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Replaces `${env:NAME}` and `${env:NAME:-default}` in every text of a value; `$${` stands for `${`.
 * @returns the new value, and what is wrong where
 */
export function expandEnvironment(
  value: unknown,
  environment: Environment,
): { value: unknown; problems: { path: Path; message: string }[] } {
  const problems: { path: Path; message: string }[] = []

  function expand(part: unknown, path: Path): unknown {
    if (typeof part === 'string') return expandText(part, path)
    if (Array.isArray(part)) return part.map((item, index) => expand(item, [...path, index]))
    if (typeof part !== 'object' || part === null) return part
    const entries = Object.entries(part)
    return Object.fromEntries(entries.map(([key, item]) => [key, expand(item, [...path, key])]))
  }

  function expandText(text: string, path: Path): string {
    return text.replaceAll(/\$\$\{|\$\{([^}]*)\}?/g, (whole, inner?: string) => {
      if (whole === '$${') return '${'
      const [, name, fallback] = /^env:([A-Za-z_]\w*)(?::-(.*))?$/s.exec(inner ?? '') ?? []
      if (name === undefined || !whole.endsWith('}')) {
        const message = `expected \${env:NAME} or \${env:NAME:-default}, got ${whole} (write $\${ for the characters themselves)`
        problems.push({ path, message })
        return ''
      }
      const found = environment[name] || fallback
      if (found === undefined)
        problems.push({ path, message: `the environment variable ${name} is not set` })
      return found ?? ''
    })
  }

  return { value: expand(value, []), problems }
}
