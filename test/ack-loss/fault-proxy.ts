import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { addressOf, MessageSplitter, typeOf, withAddress } from '../support/protocol.ts'

/**
 * What happens to a statement:
 * - `cut before`: the connection ends, and PostgreSQL never hears of it
 * - `cut after`: PostgreSQL has done it, and the connection ends before the answer comes
 * - `error`: PostgreSQL ends the session instead of doing it, and says so (SQLSTATE 57P01)
 */
export const faultKinds = ['cut before', 'cut after', 'error'] as const
export type FaultKind = (typeof faultKinds)[number]

export interface Fault {
  /** As the proxy names it. */
  readonly statement: string
  readonly kind: FaultKind
  /** Which of the statement's executions fails; 1 for the first. */
  readonly nth: number
}

/** Stands between one program and PostgreSQL, knows each statement that passes, and does to it what it was told to. */
export class FaultProxy {
  /** How often each statement was sent, in the order of their first time. */
  readonly sent = new Map<string, number>()
  /** What has happened. */
  readonly fired = new Set<Fault>()
  /** The sessions that a fault has taken from their program; PostgreSQL may go on with them for a moment. */
  readonly orphans = new Set<number>()
  readonly #server: Server
  readonly #links = new Set<Link>()
  readonly #faults: Fault[]
  readonly #terminate: (pid: number) => Promise<unknown>
  readonly #url: string

  /** @param terminate ends a session of PostgreSQL */
  static async start(
    url: string,
    faults: readonly Fault[],
    terminate: (pid: number) => Promise<unknown>,
  ): Promise<FaultProxy> {
    const proxy = new FaultProxy(url, faults, terminate)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(
    url: string,
    faults: readonly Fault[],
    terminate: (pid: number) => Promise<unknown>,
  ) {
    this.#url = url
    this.#faults = [...faults]
    this.#terminate = terminate
    this.#server = createServer({ noDelay: true }, client => {
      const link: Link = new Link(client, connect(addressOf(url)), {
        take: statement => this.#take(statement),
        fired: (fault, pid) => {
          this.fired.add(fault)
          this.orphans.add(pid)
        },
        terminate: this.#terminate,
        closed: () => this.#links.delete(link),
      })
      this.#links.add(link)
    })
  }

  /** The same database behind the proxy. */
  get url(): string {
    const address = this.#server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    return withAddress(this.#url, '127.0.0.1', port)
  }

  close(): void {
    for (const link of this.#links) link.close()
    this.#server.close()
  }

  #take(statement: string): Fault | undefined {
    const nth = (this.sent.get(statement) ?? 0) + 1
    this.sent.set(statement, nth)
    const index = this.#faults.findIndex(one => one.statement === statement && one.nth === nth)
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0]
  }
}

interface LinkOptions {
  /** Told of each statement; gives what is to happen to it. */
  take(statement: string): Fault | undefined
  fired(fault: Fault, pid: number): void
  terminate(pid: number): Promise<unknown>
  closed(): void
}

/** One connection, on both sides of the proxy. */
class Link {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #options: LinkOptions
  readonly #named = new Map<string, string>()
  #last = ''
  #pid = 0
  #fault: Fault | undefined
  #isClosed = false

  constructor(client: Socket, upstream: Socket, options: LinkOptions) {
    this.#client = client
    this.#upstream = upstream
    this.#options = options
    for (const socket of [client, upstream])
      socket.on('error', () => this.close()).on('close', () => this.close())
    this.#pass(client, 'client', message => this.#ask(message))
    this.#pass(upstream, 'server', message => this.#answer(message))
    // What was said last still arrives.
    upstream.on('end', () => client.end())
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#upstream.destroy()
    // What was written before still arrives.
    if (this.#client.writableEnded) this.#client.resume()
    else this.#client.destroy()
    this.#options.closed()
  }

  #pass(socket: Socket, side: 'client' | 'server', take: (message: Buffer) => void): void {
    const splitter = new MessageSplitter(side)
    socket.on('data', chunk => {
      for (const message of splitter.push(chunk)) if (!this.#isClosed) take(message)
    })
  }

  #ask(message: Buffer): void {
    const isHeld = this.#fault?.kind === 'error'
    if (!isHeld) {
      const statement = this.#statementOf(message)
      if (statement !== undefined) this.#fault ??= this.#options.take(statement)
    }
    if (this.#fault?.kind === 'cut before') this.#cut(this.#fault)
    else if (this.#fault?.kind !== 'error') this.#upstream.write(message)
    else if (!isHeld) void this.#options.terminate(this.#pid)
  }

  #answer(message: Buffer): void {
    const type = typeOf(message)
    if (type === 'K') this.#pid = message.readInt32BE(5)
    if (type === 'E' && this.#fault?.kind === 'error') this.#options.fired(this.#fault, this.#pid)
    if (this.#fault?.kind !== 'cut after') this.#client.write(message)
    else if (type === 'Z') this.#cut(this.#fault)
  }

  #cut(fault: Fault): void {
    this.#options.fired(fault, this.#pid)
    this.close()
  }

  /** The statement that a message lets PostgreSQL do; each has one such message. */
  #statementOf(message: Buffer): string | undefined {
    const [first = '', second = ''] = message.toString('utf8', 5).split('\0')
    switch (typeOf(message)) {
      case 'P':
        if (first === '') return this.#name(second)
        this.#named.set(first, second)
        return undefined
      case 'B':
        return second === '' ? undefined : this.#name(this.#named.get(second) ?? second)
      case 'Q':
        return this.#name(first)
      default:
        return undefined
    }
  }

  /** Its text; for the end of a transaction also what came before, because that is what is committed. */
  #name(text: string): string {
    const plain = text.replaceAll(/\s+/g, ' ').trim()
    if (/^(commit|rollback)$/.test(plain)) return `${plain} after: ${this.#last}`
    this.#last = plain
    return plain
  }
}
