import { ClusterError, messageOf } from '../../errors.ts'

/** By these the servers say that there is no more room. */
const fullNames = new Set(['XMinioStorageFull', 'QuotaExceeded', 'XMinioAdminBucketQuotaExceeded'])

/** What an error of the S3 client means for the store. */
export function s3Fault(error: unknown, where: string): ClusterError {
  if (error instanceof ClusterError) return error
  const name = error instanceof Error ? error.name : ''
  const said = `${messageOf(error)} (${name || 'no name'})`
  if (fullNames.has(name) || statusOf(error) === 507)
    return new ClusterError(
      'CW_STORE_FULL',
      `the store ${where} has no room left: ${said}; give it more, or let components keep fewer versions`,
      { cause: error },
    )
  return new ClusterError(
    'CW_STORE_UNREACHABLE',
    `the store ${where} cannot be used: ${said}; ${adviceFor(error, name)}`,
    { cause: error },
  )
}

/** Whether the server says that there is no such key. What it says of a bucket is something else. */
export function isNoKey(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound')
}

/** Whether another server was faster with a key that may be written once. */
export function isTaken(error: unknown): boolean {
  return [409, 412].includes(statusOf(error) ?? 0)
}

export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  return (error.$metadata as { httpStatusCode?: number }).httpStatusCode
}

function adviceFor(error: unknown, name: string): string {
  if (name === 'NoSuchBucket') return 'create the bucket, or mend the option store'
  if (name === 'CredentialsProviderError')
    return 'give this server credentials, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile'
  if (statusOf(error) === 403)
    return 'check the credentials of this server, and that they may get, put, delete and list (s3:ListBucket)'
  return 'see that the server runs, that this one reaches it, and that its endpoint and region are right'
}
