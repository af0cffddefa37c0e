import { ClusterError } from '../errors.ts'

/** Content that is longer than what its writer allows. */
export function tooLong(limit: number): ClusterError {
  return new ClusterError(
    'CW_ARTIFACT_REFUSED',
    `a file has more than the ${limit} bytes that are accepted; raise the component's limits, or exclude it`,
    { limit },
  )
}

export function stagingGone(token: string, cause?: unknown): ClusterError {
  return new ClusterError(
    'CW_STAGING_GONE',
    `what the import ${token} has written to the store is not there any more, somebody has removed it; the version is imported anew`,
    { token, cause },
  )
}
