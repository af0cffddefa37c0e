/** `error`: a guarantee is broken, or nothing works. `warning`: it soon may be. `note`: good to know. */
export type FindingLevel = 'error' | 'warning' | 'note'

/** What an examination of the installation found. */
export interface Finding {
  /** Stable and the same for all findings of its kind, such as `commits-not-durable`. */
  readonly name: string
  readonly level: FindingLevel
  /** What was found, in a sentence. */
  readonly what: string
  /** Why it matters. */
  readonly why: string
  /** What to do about it. */
  readonly todo: string
  /** What to type into a shell, or into psql when it ends in a semicolon. */
  readonly command?: string
  /** What it is about, one line each, when there is more than one of it. */
  readonly items?: readonly string[]
}

const order: readonly FindingLevel[] = ['error', 'warning', 'note']

/** The worst first; what is equally bad stays in its order. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => order.indexOf(a.level) - order.indexOf(b.level))
}

/** What an error says, as a sentence. */
export function sentenceOf(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1).replace(/\.$/, '')}.`
}
