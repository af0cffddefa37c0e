import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { Address } from '../../support/protocol.ts'
import { Link } from './link.ts'
import { fairWeather, type Cut, type Weather } from './weather.ts'

/**
 * Stands between one program and the servers of a database, understands what they say, and disturbs it when it is
 * told to. It has a port for each of them; all share one network.
 */
export class ChaosProxy {
  readonly #servers: readonly Server[]
  readonly #weather: Weather = { ...fairWeather }
  readonly #cuts: Cut[] = []
  readonly #links = new Set<Link>()
  readonly #onCut: (cut: Cut) => void
  /** Where it listens. */
  readonly host: string

  private constructor(
    targets: readonly (() => Address)[],
    onCut: (cut: Cut) => void,
    host: string,
  ) {
    this.#onCut = onCut
    this.host = host
    this.#servers = targets.map(target =>
      createServer({ noDelay: true }, client => this.#accept(client, target)),
    )
  }

  /**
   * Listens on ports of an address of this machine.
   * @param targets where new connections lead
   * @param onCut told of each cut when it has happened
   */
  static async start(
    targets: readonly (() => Address)[],
    onCut: (cut: Cut) => void,
    host: string = '127.0.0.1',
  ): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(targets, onCut, host)
    for (const server of proxy.#servers) {
      server.listen(0, host)
      await once(server, 'listening')
    }
    return proxy
  }

  /** In the order of the targets. */
  get ports(): number[] {
    return this.#servers.map(server => {
      const address = server.address()
      return typeof address === 'object' && address ? address.port : 0
    })
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
    for (const server of this.#servers) {
      server.close()
      await once(server, 'close')
    }
  }

  #accept(client: Socket, target: () => Address): void {
    const link: Link = new Link({
      client,
      target,
      weather: this.#weather,
      cuts: this.#cuts,
      onCut: this.#onCut,
      onClosed: () => this.#links.delete(link),
    })
    this.#links.add(link)
  }
}
