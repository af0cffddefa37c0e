import { EventEmitter } from 'node:events'
import type { Finding } from './base/finding.ts'
import { silentLogger, type Logger } from './base/logger.ts'
import type { ClusterEvents } from './cluster-events.ts'
import {
  checkMayWrite,
  indexByName,
  readClusterOptions,
  type ClusterOptions,
} from './cluster-options.ts'
import { parseDuration, type Duration } from './base/duration.ts'
import { Components } from './components.ts'
import { cancelRequest, type CancelAnswer } from './db/cancel.ts'
import type { Database } from './db/database.ts'
import { migrate } from './db/migrate.ts'
import { refuseUnknown } from './db/lock-node.ts'
import { getNode, listNodes, type NodeRecord, type NodeStatus } from './db/nodes.ts'
import type { Enqueued } from './db/requests.ts'
import {
  findFinished,
  getRequest,
  isRequest,
  listRequests,
  type RequestRecord,
  type RequestSummary,
} from './db/status.ts'
import { isTransient } from './db/translate-error.ts'
import { wakeServers } from './db/wake.ts'
import { examineInstallation } from './examine-installation.ts'
import {
  Enqueuer,
  checkKeys,
  checkRequests,
  type BatchOptions,
  type EnqueueOptions,
  type RequestToEnqueue,
} from './enqueue.ts'
import { messageOf } from './errors.ts'
import { followLog, type LogEntry } from './follow-log.ts'
import * as orders from './node-orders.ts'
import {
  checkFilter,
  checkId,
  unknownRequest,
  type RequestFilter,
  type RequestId,
} from './query.ts'
import { openClusterDatabase } from './open-cluster-database.ts'
import type { ServerOptions } from './options.ts'
import { ServerLife } from './server-life.ts'
import type { Process } from './step/define-process.ts'
import { waitForFinish, type WaitOptions } from './wait-for-finish.ts'
import { Waiter } from './waiter.ts'
import { Waker } from './waker.ts'

/**
 * One application's door to the cluster: it enqueues and asks, and after `start` it is a server too.
 *
 * All methods throw a ClusterError (see docs/errors.md) with the code CW_CONNECTION when the database cannot be
 * reached, and CW_NOT_MIGRATED when the schema is missing. In the role `read-only`, those that write throw CW_READ_ONLY.
 */
export class Cluster extends EventEmitter<ClusterEvents> {
  readonly #settings: ServerOptions
  readonly #logger: Logger
  readonly #db: Database
  readonly #enqueuer: Enqueuer
  readonly #waiter: Waiter
  readonly #waker: Waker
  readonly #life: ServerLife
  /** Their versions, and the files of each. */
  readonly components: Components

  /** @throws {ClusterError} CW_OPTION naming the option that is wrong */
  constructor(options: ClusterOptions) {
    super()
    const { pool, processes = [], sources = [], logger, ...plain } = options
    this.#settings = readClusterOptions(plain, pool)
    this.#logger = logger ?? silentLogger
    const byName = indexByName(processes)
    this.#db = openClusterDatabase(this.#settings, pool)
    this.#waiter = new Waiter(ids => findFinished(this.#db, ids), isTransient)
    this.#waker = new Waker(() => wakeServers(this.#db))
    this.#enqueuer = new Enqueuer(this.#db, byName, this.#waker)
    this.components = new Components(this.#db, this.#settings, work => this.#write(work))
    this.#life = new ServerLife({
      db: this.#db,
      settings: this.#settings,
      processes: [...byName.values()],
      sources,
      logger: this.#logger,
      tell: (name, ...about) => this.#tell(name, ...about),
      onFinished: id => this.#waiter.tell(id),
      onStopping: async () => {
        await this.#enqueuer.settle()
        await this.#waker.stop()
      },
    })
  }

  /** The node id of this server. */
  get nodeId(): string {
    return this.#settings.nodeId
  }

  /**
   * Brings the schema up to this version; any number of servers may do so at once.
   * @returns the migrations that were applied
   * @throws {ClusterError} CW_SCHEMA_NEWER
   */
  migrate(): Promise<string[]> {
    return this.#write(() => migrate(this.#db))
  }

  /**
   * Asks for a process to be run once.
   * @param process a definition or a name
   * @throws {ClusterError} CW_UNKNOWN_PROCESS, CW_INPUT_INVALID, CW_INPUT_UNSERIALISABLE, CW_IDEMPOTENCY_CONFLICT or CW_OPTION; then there is no row
   */
  enqueue<Input>(
    process: Process<Input>,
    ...rest: undefined extends Input
      ? [input?: Input, options?: EnqueueOptions]
      : [input: Input, options?: EnqueueOptions]
  ): Promise<Enqueued>
  enqueue(process: string, input?: unknown, options?: EnqueueOptions): Promise<Enqueued>
  async enqueue(
    process: Process | string,
    input?: unknown,
    options: EnqueueOptions = {},
  ): Promise<Enqueued> {
    checkKeys(options, ['request', 'batch'])
    const { transaction, allowUnknown, ...request } = options
    const batch = {
      ...(transaction !== undefined && { transaction }),
      ...(allowUnknown !== undefined && { allowUnknown }),
    }
    return this.#write(() => this.#enqueuer.enqueueOne({ ...request, process, input }, batch))
  }

  /**
   * Asks for any number of processes with one statement: all of them, or none.
   * @returns an answer for each, in their order
   * @throws {ClusterError} as `enqueue`, naming the request as `requests[n]`
   */
  async enqueueMany(
    requests: readonly RequestToEnqueue[],
    options: BatchOptions = {},
  ): Promise<Enqueued[]> {
    checkKeys(options, ['batch'])
    checkRequests(requests)
    return this.#write(() => this.#enqueuer.enqueue(requests, options))
  }

  /**
   * Everything about a request: its state, its steps, its outcome.
   * @throws {ClusterError} CW_REQUEST_UNKNOWN
   */
  async get(id: RequestId): Promise<RequestRecord> {
    const known = checkId(id)
    const record = await getRequest(this.#db, known)
    if (!record) throw unknownRequest(known)
    return record
  }

  /**
   * Requests, newest first.
   * @throws {ClusterError} CW_OPTION for a filter that is wrong
   */
  async list(filter: RequestFilter = {}): Promise<RequestSummary[]> {
    return listRequests(this.#db, checkFilter(filter))
  }

  /**
   * The log of a request, from its start; with `follow` until it has finished.
   * @throws {ClusterError} CW_REQUEST_UNKNOWN
   */
  async *logs(
    id: RequestId,
    options: { follow?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<LogEntry> {
    const known = checkId(id)
    if (!(await isRequest(this.#db, known))) throw unknownRequest(known)
    yield* followLog(this.#db, known, options)
  }

  /** Every server that ever joined, with what it runs and ran. */
  nodes(): Promise<NodeStatus[]> {
    return listNodes(this.#db)
  }

  /**
   * Examines the database, the store and this machine, as `cluster-worker doctor` does, and changes nothing; a few bytes are
   * written into the store and removed. A database that cannot be reached is a finding.
   * @returns the worst first
   */
  doctor(): Promise<Finding[]> {
    return examineInstallation(this.#db, this.#settings)
  }

  /**
   * Everything about one server: its state, what suspends it, its history.
   * @throws {ClusterError} CW_NODE_UNKNOWN
   */
  async node(node: string): Promise<NodeRecord> {
    return (await getNode(this.#db, node)) ?? refuseUnknown(this.#db, this.#db.t, node)
  }

  /**
   * Lets a server claim nothing more, from now on and after a restart, until it is resumed. What runs goes on, unless
   * `atOnce` is given. After the answer `acknowledged` the server starts no request.
   * @throws {ClusterError} CW_NODE_UNKNOWN, CW_WAIT_TIMEOUT when it does not answer; it is suspended all the same
   */
  suspend(node: string, options: orders.SuspendOptions = {}): Promise<orders.OrderAnswer> {
    return this.#write(() => orders.orderSuspend(this.#db, node, options))
  }

  /**
   * Lets a server claim again that people have suspended, drained or retired; with `all`, also one that has suspended
   * itself.
   * @throws {ClusterError} CW_NODE_UNKNOWN, CW_WAIT_TIMEOUT
   */
  resume(node: string, options: orders.ResumeOptions = {}): Promise<orders.ResumeAnswer> {
    return this.#write(() => orders.orderResume(this.#db, node, options))
  }

  /**
   * Suspends a server and waits until nothing runs on it any more; with `thenExit`, until it has left.
   * @throws {ClusterError} CW_NODE_UNKNOWN, CW_WAIT_TIMEOUT
   */
  drain(node: string, options: orders.DrainOptions = {}): Promise<orders.OrderAnswer> {
    return this.#write(() => orders.orderDrain(this.#db, node, options))
  }

  /**
   * Says that a server does not come back: it is drained if it still runs, and refused when it starts again.
   * @throws {ClusterError} CW_NODE_UNKNOWN, CW_WAIT_TIMEOUT
   */
  retire(node: string, options: orders.RetireOptions = {}): Promise<orders.OrderAnswer> {
    return this.#write(() => orders.orderRetire(this.#db, node, options))
  }

  /**
   * Waits until a request has finished, however it ends.
   * @throws {ClusterError} CW_WAIT_TIMEOUT, CW_REQUEST_UNKNOWN
   */
  async wait(id: RequestId, options: WaitOptions = {}): Promise<RequestRecord> {
    const known = checkId(id)
    if (!(await isRequest(this.#db, known))) throw unknownRequest(known)
    await waitForFinish(this.#waiter, known, options)
    return this.get(known)
  }

  /**
   * Cancels a request. A waiting one is finished at once; the server of a running one stops its step and undoes the steps before.
   * @returns `cancelled`, `requested`, or `finished` when it was too late
   * @throws {ClusterError} CW_REQUEST_UNKNOWN
   */
  async cancel(id: RequestId): Promise<CancelAnswer> {
    const known = checkId(id)
    const answer = await this.#write(() => cancelRequest(this.#db, known))
    if (!answer) throw unknownRequest(known)
    return answer
  }

  /**
   * Begins to claim and run requests here, when its turn comes. In the role `read-only` it joins nothing: it looks
   * whether the database can be asked, and logs from then on when it is away; no event tells that it has started.
   * @param options.takeIdentity whether the node id becomes that of this data folder, whatever either was before; for a server that replaces another, or has a new name. Defaults to false
   * @throws {ClusterError} CW_OPTION when `lostAfter` is too short, CW_DATABASE_UNFIT, CW_NOT_MIGRATED, CW_SCHEMA_NEWER, CW_NODE_ID_TAKEN, CW_NODE_IDENTITY, CW_DATA_DIR, CW_DATA_DIR_TAKEN, CW_GUARDIAN
   */
  async start(options: { takeIdentity?: boolean } = {}): Promise<void> {
    await this.#life.start(options.takeIdentity ?? false)
  }

  /**
   * Stops claiming, waits for what runs, leaves the cluster and closes the connections.
   * @param options.drain how long to wait for what runs; then its steps are stopped, and undone. Defaults to the option drainTimeout
   */
  async stop(options: { drain?: Duration } = {}): Promise<void> {
    const { drain } = options
    await this.#life.stop(
      drain === undefined ? this.#settings.drainTimeout : parseDuration(drain, 'drain', { min: 0 }),
    )
  }

  /** Does what writes to the database, unless this cluster only reads. */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    checkMayWrite(this.#settings)
    return work()
  }

  /** A listener that throws must not keep the server from its work. */
  #tell<Name extends keyof ClusterEvents>(name: Name, ...about: ClusterEvents[Name]): void {
    try {
      EventEmitter.prototype.emit.call(this, name, ...about)
    } catch (error) {
      this.#logger.error({ event: name }, `a listener threw: ${messageOf(error)}`)
    }
  }
}
