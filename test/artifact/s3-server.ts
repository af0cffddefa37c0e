import S3rver from 's3rver'

/** Starts an S3 server that keeps the bucket `artifacts` in a folder. */
export function makeS3Server(directory: string): S3rver {
  return new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory,
    vhostBuckets: false,
    configureBuckets: [{ name: 'artifacts' }],
  })
}
