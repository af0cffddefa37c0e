/** The values of `sslmode` that the driver knows. */
const sslModes = ['disable', 'no-verify', 'prefer', 'require', 'verify-ca', 'verify-full']

const shape =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^/?#]*)@)?(?<hosts>[^/?#@]*)(?:\/(?<database>[^/?#@]*))?(?:\?(?<query>[^#@]*))?$/

const host = /^(?:\[[0-9a-f:.%]+\]|[^[\]:]*)(?::(?<port>\d+))?$/i

/**
 * What is wrong with a PostgreSQL URL, as a pair for an error's sentence; undefined when nothing is.
 * The driver takes one host only. Neither text holds any part of the URL that could
 * be a password.
 */
export function findUrlFault(url: string): { expected: string; got: string } | undefined {
  const parts = shape.exec(url)?.groups
  if (!parts || /\s/.test(url))
    return /^postgres(?:ql)?:/.test(url)
      ? { expected: advice, got: 'another form (the URL is not shown, it may hold a password)' }
      : { expected: advice, got: 'something else (not shown, it may hold a password)' }
  const { user = '', hosts = '', database = '', query = '' } = parts
  if (![user, database].every(isDecodable))
    return { expected: advice, got: "a '%' that does not begin the code of a character" }
  if (hosts.includes(',')) return { expected: 'a PostgreSQL URL with one host', got: 'several' }
  if (!isHost(hosts)) return { expected: advice, got: 'a host or port of another form' }
  const mode = new URLSearchParams(query).get('sslmode')
  if (mode !== null && !sslModes.includes(mode))
    return {
      expected: `a PostgreSQL URL with an sslmode of ${sslModes.join(', ')}`,
      got: `sslmode=${mode.slice(0, 40)}`,
    }
  return undefined
}

const advice =
  'a URL such as postgresql://user:password@host:5432/database, where the characters % @ / ? # : and spaces ' +
  'in the user name and password are written %25 %40 %2F %3F %23 %3A %20'

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function isHost(text: string): boolean {
  const match = host.exec(text)
  const port = match?.groups?.['port']
  return match !== null && (port === undefined || (Number(port) >= 1 && Number(port) <= 65_535))
}
