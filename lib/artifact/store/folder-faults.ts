import { ClusterError, messageOf } from '../../errors.ts'

/** No room, or a file that is larger than may be. */
const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** There is something, but no folder: a link, which is never followed, or a file. */
const foreignCodes = new Set(['ENOTDIR', 'ELOOP'])

/** What an error of the file system means for the store. */
export function folderFault(error: unknown, path: string): ClusterError {
  if (error instanceof ClusterError) return error
  const code = errorCode(error) ?? ''
  const details = { path, cause: error }
  if (fullCodes.has(code))
    return new ClusterError(
      'CW_STORE_FULL',
      `the store ${path} has no room left: ${messageOf(error)}; give it more, or let components keep fewer versions`,
      details,
    )
  if (foreignCodes.has(code))
    return new ClusterError(
      'CW_STORE_UNKNOWN',
      `the store ${path} has a link or a file where it makes folders: ${messageOf(error)}; somebody else uses the folder: give the store one of its own`,
      details,
    )
  return new ClusterError(
    'CW_STORE_UNREACHABLE',
    `the store ${path} cannot be used: ${messageOf(error)}; see that the folder is there, is mounted, and may be written to by this server's user`,
    details,
  )
}

/** The system's name of an error, such as ENOENT. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

/** Goes on when the error has one of the codes. */
export function unless(...codes: readonly string[]): (error: unknown) => undefined {
  return error => {
    if (!codes.includes(errorCode(error) ?? '')) throw error
    return undefined
  }
}
