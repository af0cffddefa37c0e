/** The values of `sslmode` that the driver knows. */
const sslModes = ['disable', 'no-verify', 'prefer', 'require', 'verify-ca', 'verify-full']

const shape =
  /^(?<scheme>postgres(?:ql)?:\/\/)(?:(?<user>[^/?#]*)@)?(?<hosts>[^/?#@]*)(?<path>\/(?<database>[^/?#@]*))?(?:\?(?<query>[^#@]*))?$/

const hostForm = /^(?<host>\[[0-9a-f:.]+(?:%[\w.%-]+)?\]|[^[\]:]*)(?::(?<port>\d*))?$/i

/** What we always look for; the other values of `target_session_attrs` would lead elsewhere. */
const primaryAttributes = ['read-write', 'primary']

/** One of the machines that a URL names. Without a port it is the driver's default. */
export interface DatabaseHost {
  /** A name, an address, or the folder of a socket. */
  readonly host: string
  readonly port: number | undefined
}

/**
 * What is wrong with a PostgreSQL URL, as a pair for an error's sentence; undefined when nothing is.
 * Neither text holds any part of the URL that could be a password.
 */
export function findUrlFault(url: string): { expected: string; got: string } | undefined {
  const parts = shape.exec(url)?.groups
  if (!parts || /\s/.test(url))
    return /^postgres(?:ql)?:/.test(url)
      ? { expected: advice, got: 'another form (the URL is not shown, it may hold a password)' }
      : { expected: advice, got: 'something else (not shown, it may hold a password)' }
  const { user = '', hosts = '', database = '', query = '' } = parts
  if (![user, database, hosts].every(isDecodable))
    return { expected: advice, got: "a '%' that does not begin the code of a character" }
  return findHostFault(hosts, new URLSearchParams(query)) ?? findQueryFault(query)
}

/**
 * The hosts of a URL that names several, as libpq reads it: `one:5432,two:5433`, or lists in the parameters `host`
 * and `port`, where one port counts for all. The URL is returned with the first of them only, because the driver
 * takes no more. Of a URL with one host there are none to choose from, and the driver reads it.
 */
export function splitHosts(url: string): { firstUrl: string; hosts: readonly DatabaseHost[] } {
  const parts = shape.exec(url)?.groups
  const query = new URLSearchParams(parts?.['query'])
  const hosts = parts && listHosts(parts['hosts'] ?? '', query)
  const first = hosts?.[0]
  if (!parts || !first || hosts.length === 1) return { firstUrl: url, hosts: [] }
  query.set('host', first.host)
  query.delete('port')
  if (first.port !== undefined) query.set('port', String(first.port))
  const user = parts['user'] === undefined ? '' : `${parts['user']}@`
  return { firstUrl: `${parts['scheme']}${user}${parts['path'] ?? '/'}?${query.toString()}`, hosts }
}

/** Undefined when hosts and ports do not fit together or one is none. */
function listHosts(authority: string, query: URLSearchParams): DatabaseHost[] | undefined {
  const written = authority.split(',').map(text => hostForm.exec(text)?.groups)
  const names = query.get('host')?.split(',') ?? written.map(part => decodeHost(part?.['host']))
  const ports = query.get('port')?.split(',') ?? written.map(part => part?.['port'] ?? '')
  const fits = ports.length === 1 || ports.length === names.length
  const isWhole = written.every(Boolean) && (names.length === 1 || !names.includes(''))
  if (!fits || !isWhole || !ports.every(isPort)) return undefined
  return names.map((host, index) => {
    const port = ports[ports.length === 1 ? 0 : index]
    return { host, port: port ? Number(port) : undefined }
  })
}

/** An IPv6 address without its brackets. */
function decodeHost(host: string = ''): string {
  return decodeURIComponent(host.replace(/^\[(.*)\]$/, '$1'))
}

function isPort(port: string): boolean {
  return port === '' || (/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)
}

function findHostFault(
  authority: string,
  query: URLSearchParams,
): { expected: string; got: string } | undefined {
  if (listHosts(authority, query)) return undefined
  return {
    expected: advice,
    got: 'hosts or ports of another form, or another number of ports than of hosts',
  }
}

function findQueryFault(query: string): { expected: string; got: string } | undefined {
  const parameters = new URLSearchParams(query)
  const mode = parameters.get('sslmode')
  if (mode !== null && !sslModes.includes(mode))
    return {
      expected: `a PostgreSQL URL with an sslmode of ${sslModes.join(', ')}`,
      got: `sslmode=${mode.slice(0, 40)}`,
    }
  const attributes = parameters.get('target_session_attrs')
  if (attributes !== null && !primaryAttributes.includes(attributes))
    return {
      expected:
        'a PostgreSQL URL without target_session_attrs, or with read-write or primary (the primary is always looked for; a standby is never asked)',
      got: `target_session_attrs=${attributes.slice(0, 40)}`,
    }
  return undefined
}

const advice =
  'a URL such as postgresql://user:password@host:5432/database (several hosts: host1:5432,host2:5432), where the characters % @ / ? # : and spaces ' +
  'in the user name and password are written %25 %40 %2F %3F %23 %3A %20'

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
