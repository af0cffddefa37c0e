import { callbackify } from 'node:util'
import pg from 'pg'
import { splitHosts, type DatabaseHost } from '../base/database-url.ts'
import { isStandby } from './no-primary.ts'
import { nameOf, type Primary } from './primary.ts'
import { askStanding, type Standing } from './timeline.ts'

/** How long a host may take to say where it stands when the primary is searched for, in milliseconds. */
const probeMs = 1500

/** How long the first question on a new connection may take unless the connection has a limit, in milliseconds. */
const longestQuestionMs = 10_000

/**
 * A driver's client whose `connect` finds the primary and makes sure of it with one question: a connection to
 * anything else never comes into use. For a pool, and for connections beside it.
 */
export function primaryClient(primary: Primary): typeof pg.Client {
  return class PrimaryClient extends PlainClient {
    override connect(): Promise<pg.Client>
    override connect(callback: ConnectCallback): void
    override connect(callback?: ConnectCallback): Promise<pg.Client> | undefined {
      if (!callback) return this.#connect()
      callbackify(() => this.#connect())(callback)
      return undefined
    }

    async #connect(): Promise<pg.Client> {
      const host = await primary.find(one => this.probe(one))
      try {
        if (host) this.aim(host)
        await this.reach()
        await primary.admit(this, await this.askStanding(), this.name)
        return this
      } catch (error) {
        primary.forget(host)
        void this.end().catch(ignore)
        throw error
      }
    }
  }
}

type ConnectCallback = ((error: Error) => void) & ((error: null, client: pg.Client) => void)

/** A client whose connection errors reach the query in flight and never crash the process, and that leaves standbys. */
class PlainClient extends pg.Client {
  readonly #config: pg.ClientConfig
  #name: string | undefined

  constructor(given?: string | pg.ClientConfig) {
    const config = typeof given === 'string' ? { connectionString: given } : { ...given }
    // A pool hides its password from those who list its options.
    if (typeof given === 'object' && given.password) config.password = given.password
    const { connectionString } = config
    super({
      ...config,
      ...(connectionString && { connectionString: splitHosts(connectionString).firstUrl }),
    })
    this.#config = config
    this.on('error', ignore)
  }

  /** The host, as an operator knows it. */
  get name(): string {
    return this.#name ?? nameOf({ host: this.host || 'the default host', port: this.port })
  }

  /** Lets `reach` go to this host, whatever the URL says. */
  aim(host: DatabaseHost): void {
    this.#name = nameOf(host)
    const port = host.port ?? (Number(process.env['PGPORT']) || pg.defaults.port || 5432)
    for (const target of [this, connectionParametersOf(this)])
      Object.assign(target, { host: host.host, port })
  }

  /** Opens the connection, and leaves a standby, which says so before it is ready. */
  async reach(): Promise<void> {
    let isOnStandby = false
    this.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
      if (parameterName !== 'in_hot_standby') return
      isOnStandby = parameterValue === 'on'
      if (isOnStandby) this.connection.stream.destroy(isStandby(this.name))
    })
    await super.connect()
    // What came together with it has been read all the same.
    if (isOnStandby) throw isStandby(this.name)
  }

  askStanding(): Promise<Standing> {
    return askStanding(this, this.#config.connectionTimeoutMillis || longestQuestionMs)
  }

  /** Asks one host where it stands, with a connection for that only. */
  async probe(host: DatabaseHost): Promise<Standing> {
    const limitMs = Math.min(this.#config.connectionTimeoutMillis || probeMs, probeMs)
    const client = new PlainClient({ ...this.#config, connectionTimeoutMillis: limitMs })
    client.aim(host)
    try {
      await client.reach()
      return await client.askStanding()
    } finally {
      void client.end().catch(ignore)
    }
  }
}

/** What PostgreSQL reports when a session begins, and when it changes. */
interface ParameterStatus {
  readonly parameterName: string
  readonly parameterValue: string
}

/** The driver looks up passwords by them. */
function connectionParametersOf(client: pg.Client): object {
  return (client as unknown as { connectionParameters: object }).connectionParameters
}

function ignore(): void {
  // The query in flight gets the error.
}
