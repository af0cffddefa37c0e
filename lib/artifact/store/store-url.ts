import { isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nearestName } from '../../base/nearest-name.ts'
import { ClusterError } from '../../errors.ts'

/** Where the store is, as the option `store` says it. */
export type StoreLocation =
  | { readonly kind: 'database' }
  | { readonly kind: 'folder'; readonly path: string }
  | ({ readonly kind: 's3' } & S3Location)

export interface S3Location {
  readonly bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string
  /** Where the server is, unless it is Amazon's. */
  readonly endpoint?: string
  /** Unless the environment says it. */
  readonly region?: string
  /** Whether the bucket's name comes behind the server's name, and not before it. Defaults to false. */
  readonly forcePathStyle?: boolean
}

const s3Parameters = ['endpoint', 'region', 'forcePathStyle']

/**
 * Reads `postgres:`, `/a/path`, `file:/a/path` or `s3://bucket/prefix?endpoint=https://…&region=…&forcePathStyle=true`.
 * @throws {ClusterError} CW_OPTION
 */
export function readStoreUrl(text: string): StoreLocation {
  if (text === 'postgres:') return { kind: 'database' }
  if (isAbsolute(text)) return { kind: 'folder', path: text }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.username || url?.password)
    throw wrong(
      'a store without a user or password in it: S3 takes its credentials from the environment',
      'one with (not shown)',
    )
  if (url?.protocol === 'file:') return { kind: 'folder', path: readFileUrl(url, text) }
  if (url?.protocol === 's3:') return { kind: 's3', ...readS3Url(url) }
  throw wrong(
    "a store such as postgres: (the cluster's own database), /srv/artifacts, file:/srv/artifacts or s3://bucket/prefix, with an absolute path",
    text.startsWith('postgres')
      ? "a database URL (the store in a database is always in the cluster's own: postgres:)"
      : show(text),
  )
}

function readFileUrl(url: URL, text: string): string {
  if (!['', 'localhost'].includes(url.host) || url.search || url.hash)
    throw wrong('a file URL with nothing but an absolute path', show(text))
  return decode(() => fileURLToPath(`file://${url.pathname}`), text)
}

function readS3Url(url: URL): S3Location {
  const bucket = url.host
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw wrong('the name of a bucket behind s3://', `'${bucket.slice(0, 100)}'`)
  const unknown = [...url.searchParams.keys()].find(name => !s3Parameters.includes(name))
  if (unknown !== undefined)
    throw wrong(`an S3 store with ${s3Parameters.join(', ')} only`, meant(unknown))
  const endpoint = url.searchParams.get('endpoint')
  if (endpoint !== null && !isWebAddress(endpoint))
    throw wrong('an endpoint such as https://minio.example:9000', show(endpoint))
  const pathStyle = url.searchParams.get('forcePathStyle')
  if (pathStyle !== null && !['true', 'false'].includes(pathStyle))
    throw wrong('forcePathStyle to be true or false', `'${pathStyle.slice(0, 60)}'`)
  const region = url.searchParams.get('region')
  return {
    bucket,
    prefix: readPrefix(url.pathname),
    ...(endpoint && { endpoint }),
    ...(region && { region }),
    ...(pathStyle !== null && { forcePathStyle: pathStyle === 'true' }),
  }
}

function readPrefix(path: string): string {
  const prefix = decode(() => decodeURIComponent(path), path).replaceAll(/^\/+|\/+$/g, '')
  if (prefix === '' || prefix.split('/').every(isPlainName)) return prefix
  throw wrong('a prefix of plain names with one slash between them', `'${prefix.slice(0, 100)}'`)
}

function isPlainName(name: string): boolean {
  return /^[\w!.*'() -]+$/.test(name) && name !== '.' && name !== '..'
}

function meant(name: string): string {
  const known = nearestName(name, s3Parameters)
  return `'${name.slice(0, 60)}'${known === undefined ? '' : ` (did you mean ${known}?)`}`
}

function decode(read: () => string, text: string): string {
  try {
    return read()
  } catch {
    throw wrong(
      "a path in which a '%' begins the code of a character, and none of a slash",
      show(text),
    )
  }
}

function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return /^https?:$/.test(protocol) && !username && !password
}

/** What has an @ may have a password before it. */
function show(text: string): string {
  return text.includes('@')
    ? 'another (not shown, it may hold a password)'
    : `'${text.slice(0, 100)}'`
}

function wrong(expected: string, got: string): ClusterError {
  return new ClusterError('CW_OPTION', `expected ${expected}, got ${got}`, { field: 'store' })
}
