import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface Proxy {
  /** The database behind the proxy. */
  url: string
  /**
   * Cuts the connection that sends a text next: before it reaches PostgreSQL, or after PostgreSQL has done what it
   * asked and before the answer reaches the client.
   * @param text part of the statement or its name
   * @returns resolves when the connection has been cut
   */
  cut(text: string, when: 'before' | 'after'): Promise<void>
  /** Cuts all connections to the clients; what was sent reaches PostgreSQL, and goes on there. */
  cutAll(): void
}

interface Cut {
  text: string
  when: 'before' | 'after'
  done(): void
}

/** Stands between clients and PostgreSQL and passes on everything, until it is told to cut. */
export async function startProxy(
  test: Test,
  url: string,
  { announcedPid, dropsOptions = false }: { announcedPid?: number; dropsOptions?: boolean } = {},
): Promise<Proxy> {
  const cuts: Cut[] = []
  const target = targetOf(url)
  const clients = new Set<Socket>()
  const server = createServer({ noDelay: true }, client => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
    join(client, connect(target), cuts, { announcedPid, dropsOptions })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  test.teardown(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    url: url.replace(/@[^/]*(\/[^?]*)(\?.*)?$/, `@127.0.0.1:${port}$1`),
    cut: (text, when) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      cuts.push({ text, when, done: resolve })
      return promise
    },
    cutAll: () => {
      for (const client of clients) client.destroy()
    },
  }
}

function join(
  client: Socket,
  upstream: Socket,
  cuts: Cut[],
  { announcedPid, dropsOptions }: { announcedPid: number | undefined; dropsOptions: boolean },
): void {
  const destroy = (): void => {
    client.destroy()
    upstream.destroy()
  }
  for (const socket of [client, upstream]) socket.on('error', destroy).on('close', destroy)
  let cutting: Cut | undefined
  const finish = (): void => {
    destroy()
    cutting?.done()
  }
  let started = false
  splitMessages(client, { first: 'without type' }, message => {
    const text = message.toString('latin1')
    const found = cutting ? -1 : cuts.findIndex(cut => text.includes(cut.text))
    if (found >= 0) [cutting] = cuts.splice(found, 1)
    if (cutting?.when === 'before') finish()
    else upstream.write(dropsOptions ? withoutOptions(message) : message)
  })
  splitMessages(upstream, {}, message => {
    const type = String.fromCharCode(message[0] ?? 0)
    if (type === 'K' && announcedPid !== undefined) message.writeInt32BE(announcedPid, 5)
    // What is asked after it is ready is what the client sent since.
    const isReady = type === 'Z'
    if (cutting && started && isReady) finish()
    else if (!cutting) client.write(message)
    if (isReady) started = true
  })
}

/** What a session asks for when it begins goes under another name, which PostgreSQL takes and ignores. */
function withoutOptions(message: Buffer): Buffer {
  const at = message.indexOf('\0options\0')
  if (at < 0) return message
  const changed = Buffer.from(message)
  changed.write('_pq_.op', at + 1, 'latin1')
  return changed
}

/** Each message of the protocol whole: a type (which the first one of a client has not), a length, and the rest. */
function splitMessages(
  socket: Socket,
  { first }: { first?: 'without type' },
  onMessage: (message: Buffer) => void,
): void {
  let rest: Buffer = Buffer.alloc(0)
  let typeLength = first === undefined ? 1 : 0
  socket.on('data', chunk => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= typeLength + 4) {
      const length = typeLength + rest.readInt32BE(typeLength)
      if (rest.length < length) return
      const message = rest.subarray(0, length)
      rest = rest.subarray(length)
      typeLength = 1
      onMessage(Buffer.from(message))
    }
  })
}

/** Where PostgreSQL listens: a unix socket as our own servers have, or a host and port. */
function targetOf(url: string): { path: string } | { host: string; port: number } {
  const parameters = new URLSearchParams(url.split('?')[1])
  const folder = parameters.get('host')
  if (folder?.startsWith('/'))
    return { path: `${folder}/.s.PGSQL.${parameters.get('port') ?? 5432}` }
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) || 5432 }
}
