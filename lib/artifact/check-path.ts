import { refuse } from './refuse.ts'

/** The limits that every file system of a server can be expected to keep. */
const longestNameBytes = 255
const longestPathBytes = 1024
const deepest = 64

/** Control characters, line separators, and what stands for bytes that were no UTF-8. */
const unprintable = /[\p{Cc}\u2028\u2029\ufffd]/u

/**
 * Checks that a path leads to a place within its folder, on every kind of server.
 * @param path relative, with `/` between the names
 * @throws {ClusterError} CW_ARTIFACT_REFUSED
 */
export function checkPath(path: string): void {
  const fault = faultOf(path)
  if (fault) throw refuse(`the path ${shown(path)}`, fault)
}

/** The path for a message: what cannot be printed is escaped. */
export function shown(path: string): string {
  const text = path.length > 200 ? `${path.slice(0, 200)}…` : path
  return JSON.stringify(text.toWellFormed()).replaceAll(/[\u007f-\u009f\u2028\u2029]/g, '\ufffd')
}

function faultOf(path: string): string | undefined {
  if (path === '') return 'it is empty'
  if (!path.isWellFormed()) return 'it is no well-formed Unicode'
  if (unprintable.test(path)) return 'it has a control character, or bytes that are not UTF-8'
  if (path.includes('\\')) return 'it has a backslash'
  if (path.startsWith('/')) return 'it is absolute'
  if (/^[A-Za-z]:/.test(path)) return 'it begins with a drive letter'
  if (Buffer.byteLength(path) > longestPathBytes)
    return `it is longer than ${longestPathBytes} bytes`
  const names = path.split('/')
  if (names.length > deepest) return `it is deeper than ${deepest} folders`
  if (names.includes('..')) return "it has '..'"
  if (names.includes('.') || names.includes('')) return "it has an empty name or '.'"
  if (names.some(name => Buffer.byteLength(name) > longestNameBytes))
    return `a name in it is longer than ${longestNameBytes} bytes`
  return undefined
}
