import { hash } from 'node:crypto'

/**
 * A name by which PostgreSQL remembers a statement, made of its text: behind a pooler, the session may have been that of a
 * program of another version, and the same name means the same statement there, too.
 * @param about what it does, for those who read what goes to PostgreSQL
 */
export function statementName(about: string, text: string): string {
  return `cluster_worker.${about}.${hash('sha256', text, 'base64url').slice(0, 20)}`
}
