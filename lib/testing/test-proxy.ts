import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'

/** Stands between servers and the database, and fails as a network does. */
export interface TestProxy {
  /** The database behind the proxy. */
  readonly url: string
  /** Breaks all connections; new ones are let through. What was sent goes on in the database. */
  readonly cut: () => void
  /** Passes nothing on any more, and breaks nothing: neither side learns of it. New connections get no answer. */
  readonly stall: () => void
  /** Breaks all connections and refuses new ones, as a machine does whose database is down. */
  readonly refuse: () => Promise<void>
  /** Passes everything on again, also what was held back. */
  readonly restore: () => Promise<void>
  readonly close: () => Promise<void>
}

interface Link {
  readonly client: Socket
  readonly upstream: Socket
}

/** @param url the database, by a host and port or a unix socket */
export async function startTestProxy(url: string): Promise<TestProxy> {
  const target = targetOf(url)
  const links = new Set<Link>()
  let isStalled = false
  const server = createServer({ noDelay: true }, client => {
    const link = { client, upstream: connect(target) }
    links.add(link)
    const end = (): void => {
      links.delete(link)
      link.client.destroy()
      link.upstream.destroy()
    }
    for (const socket of [client, link.upstream]) socket.on('error', end).on('close', end)
    if (!isStalled) join(link)
  })
  await listen(server, 0)
  const { port } = server.address() as AddressInfo
  const cut = (): void => {
    for (const { client } of links) client.destroy()
  }
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    cut()
    await once(server, 'close')
  }
  return {
    url: throughPort(url, port),
    cut,
    stall() {
      isStalled = true
      for (const { client, upstream } of links) {
        client.unpipe().pause()
        upstream.unpipe().pause()
      }
    },
    refuse: close,
    async restore() {
      if (isStalled) for (const link of links) join(link)
      isStalled = false
      if (!server.listening) await listen(server, port)
    },
    close,
  }
}

function join({ client, upstream }: Link): void {
  client.pipe(upstream)
  upstream.pipe(client)
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
}

function targetOf(url: string): { path: string } | { host: string; port: number } {
  const parameters = new URLSearchParams(url.split('?')[1])
  const port = Number(parameters.get('port') ?? /@[^/?]*:(\d+)/.exec(url)?.[1] ?? 5432)
  const host = parameters.get('host') ?? /@([^/?]*?)(?::\d+)?(?:[/?]|$)/.exec(url)?.[1]
  if (host?.startsWith('/')) return { path: `${host}/.s.PGSQL.${port}` }
  return { host: host?.replace(/^\[(.*)\]$/, '$1') || 'localhost', port }
}

/** The same database, user and settings. */
function throughPort(url: string, port: number): string {
  const [, scheme = '', user = '', path = '', query] =
    /^([a-z]+:\/\/)([^/?]*@)?[^/?]*(\/[^?]*)?(?:\?(.*))?$/.exec(url) ?? []
  const parameters = new URLSearchParams(query)
  parameters.delete('host')
  parameters.delete('port')
  const rest = parameters.size > 0 ? `?${parameters.toString()}` : ''
  return `${scheme}${user}127.0.0.1:${port}${path}${rest}`
}
