import type { Claimed } from '../db/claim.ts'
import type { Database } from '../db/database.ts'
import type { Finish } from '../db/finish.ts'
import type { ClusterError } from '../errors.ts'
import type { Artifacts } from '../step/artifacts.ts'
import type { Process } from '../step/define-process.ts'
import type { WitnessSettings } from '../witness/message.ts'
import type { ControlEvents } from './open-control.ts'

export interface ServerSetup {
  readonly db: Database
  readonly node: string
  /** The processes that this server knows, by their lanes. */
  readonly processes: ReadonlyMap<number, Process>
  readonly concurrency: number
  readonly listen: boolean
  readonly killGraceMs: number
  readonly outputLimit: number
  readonly environment: Readonly<Record<string, string>>
  readonly dataFolder: string
  readonly witness: WitnessSettings
  /** What steps do with components. */
  readonly artifacts: Artifacts
  /** Looks whether the artifact store can be used. */
  readonly probeStore: () => Promise<void>
  /** Somebody wants a component to be checked, or a version to be imported. */
  readonly onComponentHint: () => void
  /** This server may no longer act: called at once, when its own work is being stopped. */
  readonly onFenced: (reason: ClusterError) => void
  readonly events: ServerEvents
}

/** What a server tells whoever started it. */
export interface ServerEvents extends ControlEvents {
  started(about: { node: string; incarnation: string }): void
  claimed(requests: readonly Claimed[]): void
  finished(id: string, outcome: Finish['outcome']): void
  /** Another server was declared lost. */
  declaredLost(lost: { node: string; incarnation: string; failed: string[] }): void
  /** This server can no longer prove that it is alive; it has stopped its work. */
  fenced(reason: ClusterError): void
  /** A guardian watches, the first or another one. */
  guarded(by: number | undefined, isFirst: boolean): void
}
