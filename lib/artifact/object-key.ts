import { ClusterError } from '../errors.ts'

const tokenForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const hashForm = /^[0-9a-f]{64}$/

/** Whether it is a UUID in small letters. */
export function isToken(text: string): boolean {
  return tokenForm.test(text)
}

/** Whether it is a SHA-256 in hexadecimal. */
export function isHash(text: string): boolean {
  return hashForm.test(text)
}

/**
 * Tokens and hashes become names of files and keys: nothing else may.
 * @throws {ClusterError} CW_OPTION
 */
export function checkToken(token: string): string {
  if (isToken(token)) return token
  throw new ClusterError(
    'CW_OPTION',
    `expected a token to be a UUID, got '${token.slice(0, 60)}'`,
    {
      field: 'token',
    },
  )
}

/** @throws {ClusterError} CW_OPTION */
export function checkHash(hash: string): string {
  if (isHash(hash)) return hash
  throw new ClusterError(
    'CW_OPTION',
    `expected a SHA-256 of 64 hexadecimal digits, got '${hash.slice(0, 80)}'`,
    { field: 'hash' },
  )
}
