import type { ConnectionSettings } from '../db/connection-settings.ts'
import type { ListedProcess } from '../step/process-list.ts'

/** The server's own process. */
export type ServerProcess = Pick<
  ListedProcess,
  'pid' | 'group' | 'session' | 'startTicks' | 'environmentAt'
>

/** The first thing that a server tells its guardian: whom it watches, and how to report the loss. */
export interface Charge {
  readonly incarnation: string
  readonly schema: string
  readonly connection: ConnectionSettings
  /** The value of CLUSTER_SERVER_COOKIE in the environment of all its commands. */
  readonly cookie: string
  readonly server: ServerProcess
  /** The ids of the requests that run. */
  readonly running: readonly string[]
  /** Until when the server's last proof holds, by the machine's monotonic clock, in milliseconds. */
  readonly aliveUntil: number
}

/** What it tells after that, a line of JSON each. */
export type Message =
  /** The server has proved again that it is alive; that holds until then. */
  | { readonly aliveUntil: number }
  /** These requests are about to run. */
  | { readonly started: readonly string[] }
  /** These have finished: what they left running on purpose goes on. */
  | { readonly finished: readonly string[] }
  /** The server has ended its incarnation itself, in good order. */
  | { readonly leave: true }

/** The guardian's answer to the charge and to each proof, so that the server sees that it is awake. */
export const acknowledgement = '.'
