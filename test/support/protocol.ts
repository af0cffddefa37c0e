/** What a proxy connects to. */
export type Address = { path: string } | { host: string; port: number }

/** Where PostgreSQL listens: a unix socket as our own servers have, or a host and port. */
export function addressOf(url: string): Address {
  const parameters = new URLSearchParams(url.split('?')[1])
  const folder = parameters.get('host')
  if (folder?.startsWith('/'))
    return { path: `${folder}/.s.PGSQL.${parameters.get('port') ?? 5432}` }
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) || 5432 }
}

/** The same database behind other addresses, over TCP. */
export function withAddress(url: string, host: string, ...ports: readonly number[]): string {
  const hosts = ports.map(port => `${host}:${port}`).join(',')
  return url.replace(/@[^/]*(\/[^?]*)(\?.*)?$/, `@${hosts}$1`)
}

/** Cuts a stream of PostgreSQL's protocol into its messages: a type (which the first one of a client has not), a length, and the rest. */
export class MessageSplitter {
  #rest: Buffer = Buffer.alloc(0)
  #typeLength: 0 | 1

  /** @param side whose messages come: only a client's first one has no type */
  constructor(side: 'client' | 'server') {
    this.#typeLength = side === 'client' ? 0 : 1
  }

  /** @returns the messages that are whole now, in order */
  push(chunk: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const messages: Buffer[] = []
    for (;;) {
      const start = this.#typeLength + 4
      if (this.#rest.length < start) return messages
      const length = this.#typeLength + this.#rest.readInt32BE(this.#typeLength)
      if (this.#rest.length < length) return messages
      messages.push(this.#rest.subarray(0, length))
      this.#rest = this.#rest.subarray(length)
      this.#typeLength = 1
    }
  }
}

/** The letter that says what a message is; nothing for a client's first one, which begins with its length. */
export function typeOf(message: Buffer): string {
  const [first = 0] = message
  return first === 0 ? '' : String.fromCharCode(first)
}
