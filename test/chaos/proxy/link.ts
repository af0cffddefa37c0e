import { connect, type Socket } from 'node:net'
import { MessageSplitter, typeOf, type Address } from '../../support/protocol.ts'
import { Conveyor } from './conveyor.ts'
import type { Cut, Weather } from './weather.ts'

export interface LinkOptions {
  readonly client: Socket
  readonly target: () => Address
  readonly weather: Weather
  /** The cuts that wait for their statement; who finds one takes it out. */
  readonly cuts: Cut[]
  readonly onCut: (cut: Cut) => void
  readonly onClosed: () => void
}

/** Messages that can name a statement: Parse, Bind and Query. */
const naming = new Set(['P', 'B', 'Q'])

/** One client's connection and the one to PostgreSQL behind it. */
export class Link {
  readonly #options: LinkOptions
  readonly #client: Socket
  #upstream: Socket | undefined
  #cutting: Cut | undefined
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.#client = options.client
    this.#client.on('error', () => this.close()).on('close', () => this.close())
    this.obeyWeather()
  }

  /** Stops or goes on, as the weather says; connects to PostgreSQL when nothing stands against it any more. */
  obeyWeather(): void {
    if (this.#isClosed) return
    const { isStalled } = this.#options.weather
    if (!this.#upstream && !isStalled) this.#open()
    for (const socket of [this.#client, this.#upstream])
      if (isStalled) socket?.pause()
      else socket?.resume()
  }

  /** @param reset lets the client see an error instead of an orderly end */
  close({ reset = false }: { reset?: boolean } = {}): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (reset) this.#client.resetAndDestroy()
    else this.#client.destroy()
    this.#upstream?.destroy()
    this.#options.onClosed()
  }

  #open(): void {
    const { target, weather } = this.#options
    const upstream = connect(target())
    this.#upstream = upstream
    let isConnected = false
    upstream.on('connect', () => (isConnected = true)).on('close', () => this.close())
    upstream.on('error', () => (isConnected ? this.close() : this.#sayUnavailable()))
    const toServer = new Conveyor(upstream, weather)
    const toClient = new Conveyor(this.#client, weather)
    const fromClient = new MessageSplitter('client')
    const fromServer = new MessageSplitter('server')
    this.#client.on('data', chunk => this.#ask(fromClient.push(chunk), toServer))
    upstream.on('data', chunk => this.#answer(fromServer.push(chunk), toClient))
  }

  #ask(messages: Buffer[], toServer: Conveyor): void {
    if (this.#isClosed) return
    const passed: Buffer[] = []
    for (const message of messages) {
      this.#cutting ??= this.#takeCut(message)
      if (this.#cutting?.boundary === 'before') break
      passed.push(message)
    }
    toServer.send(Buffer.concat(passed))
    if (this.#cutting?.boundary === 'before') void toServer.flush().then(() => this.#cut())
  }

  #answer(messages: Buffer[], toClient: Conveyor): void {
    if (this.#isClosed) return
    const end = messages.findIndex(message => this.#isBoundary(typeOf(message)))
    const passed = end < 0 ? messages : messages.slice(0, end)
    toClient.send(Buffer.concat(passed))
    if (end >= 0) void toClient.flush().then(() => this.#cut())
  }

  /** A transaction that failed answers with an error; the cut then comes at the end of that. */
  #isBoundary(type: string): boolean {
    if (!this.#cutting) return false
    return type === 'Z' || (type === 'C' && this.#cutting.boundary === 'at completion')
  }

  #takeCut(message: Buffer): Cut | undefined {
    const { cuts } = this.#options
    if (cuts.length === 0 || !naming.has(typeOf(message))) return undefined
    const text = message.toString('latin1')
    const index = cuts.findIndex(cut => text.includes(cut.text))
    return index < 0 ? undefined : cuts.splice(index, 1)[0]
  }

  #cut(): void {
    const cut = this.#cutting
    if (!cut || this.#isClosed) return
    this.close({ reset: cut.reset })
    this.#options.onCut(cut)
  }

  /** What PostgreSQL itself says while it starts or ends; a closed port of a machine that is there says as much. */
  #sayUnavailable(): void {
    this.#client.end(unavailable)
    this.#isClosed = true
    this.#options.onClosed()
  }
}

const unavailable = errorResponse({
  S: 'FATAL',
  V: 'FATAL',
  C: '57P03',
  M: 'the database system is not accepting connections',
})

function errorResponse(fields: Readonly<Record<string, string>>): Buffer {
  const text = Object.entries(fields).map(([type, value]) => `${type}${value}\0`)
  const body = Buffer.from(`${text.join('')}\0`)
  const head = Buffer.alloc(5, 'E')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
