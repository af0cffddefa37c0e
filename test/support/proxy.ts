import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { addressOf, MessageSplitter, typeOf, withAddress } from './protocol.ts'

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
  /** Cuts all connections and takes no more. */
  stop(): void
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
  const target = addressOf(url)
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
    url: withAddress(url, '127.0.0.1', port),
    cut: (text, when) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      cuts.push({ text, when, done: resolve })
      return promise
    },
    cutAll: () => {
      for (const client of clients) client.destroy()
    },
    stop: () => {
      server.close()
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
  onMessage(client, 'client', message => {
    const text = message.toString('latin1')
    const found = cutting ? -1 : cuts.findIndex(cut => text.includes(cut.text))
    if (found >= 0) [cutting] = cuts.splice(found, 1)
    if (cutting?.when === 'before') finish()
    else upstream.write(dropsOptions ? withoutOptions(message) : message)
  })
  onMessage(upstream, 'server', message => {
    const type = typeOf(message)
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

function onMessage(
  socket: Socket,
  side: 'client' | 'server',
  take: (message: Buffer) => void,
): void {
  const splitter = new MessageSplitter(side)
  socket.on('data', chunk => {
    for (const message of splitter.push(chunk)) take(message)
  })
}
