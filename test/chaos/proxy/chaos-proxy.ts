import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { Address } from '../../support/protocol.ts'
import { Link } from './link.ts'
import { fairWeather, type Cut, type Weather } from './weather.ts'

/** Stands between one program and PostgreSQL, understands what they say, and disturbs it when it is told to. */
export class ChaosProxy {
  readonly #server: Server
  readonly #weather: Weather = { ...fairWeather }
  readonly #cuts: Cut[] = []
  readonly #links = new Set<Link>()
  readonly #onCut: (cut: Cut) => void

  private constructor(target: () => Address, onCut: (cut: Cut) => void) {
    this.#onCut = onCut
    this.#server = createServer({ noDelay: true }, client => {
      const link: Link = new Link({
        client,
        target,
        weather: this.#weather,
        cuts: this.#cuts,
        onCut: cut => this.#onCut(cut),
        onClosed: () => this.#links.delete(link),
      })
      this.#links.add(link)
    })
  }

  /**
   * Listens on a port of 127.0.0.1.
   * @param target where a new connection leads
   * @param onCut told of each cut when it has happened
   */
  static async start(target: () => Address, onCut: (cut: Cut) => void): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(target, onCut)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** Changes the network, also for connections that are open. */
  setWeather(weather: Partial<Weather>): void {
    Object.assign(this.#weather, weather)
    for (const link of this.#links) link.obeyWeather()
  }

  /** Arms a cut, which waits for its statement. */
  cut(cut: Cut): void {
    this.#cuts.push(cut)
  }

  /** Takes back a cut that has found no statement. @returns whether it was still waiting */
  disarm(cut: Cut): boolean {
    const index = this.#cuts.indexOf(cut)
    if (index >= 0) this.#cuts.splice(index, 1)
    return index >= 0
  }

  /** Ends all connections; what was sent reaches PostgreSQL and goes on there. */
  cutAll(how: { reset?: boolean } = {}): void {
    for (const link of this.#links) link.close(how)
  }

  async close(): Promise<void> {
    this.cutAll()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
