import type { Databases } from '../databases.ts'
import type { Dice } from '../dice.ts'
import type { SuspensionSample } from '../evidence.ts'
import type { Measure } from '../measurements.ts'
import type { Life, Member } from '../member.ts'
import type { ProcessName } from '../live-processes.ts'
import type { ChaosProxy } from '../proxy/chaos-proxy.ts'

/** What faults are done to. */
export interface World {
  readonly members: readonly Member[]
  readonly databases: Databases
  /** The one between the enqueuing program and the database. */
  readonly workloadProxy: ChaosProxy
  /** The folder of a server's data, on a small disk of its own where that is possible. */
  dataFolderOf(node: string): string
  readonly hasSmallDisks: boolean
  /** The processes of a server's commands. */
  listCommands(node: string): ProcessName[]
  onProbe(name: string): void
  noteSuspension(sample: SuspensionSample): void
  /** Measures how long it takes until none of these runs any more. */
  watchGone(commands: readonly ProcessName[]): Promise<void>
  /** Measures how long it takes until the first claim, from now on. */
  watchResume(): Promise<void>
  /** Measures how long it takes until a server claims in another life than this one. */
  watchReturn(member: Member, before: Life | undefined): Promise<void>
}

/** A kind of fault. New kinds only need to be put into the list of list.ts. */
export interface FaultKind {
  readonly name: string
  /** How often it is chosen, compared with the others. */
  readonly weight: number
  /** What it is done to. One server, and the database, suffer one fault at a time. */
  readonly on: 'server' | 'database' | 'anything'
  /** Whether it can only be done to servers that have a small disk each. */
  readonly needsSmallDisks?: boolean
  /** Whether it can only be done to servers that have a network of their own each. */
  readonly needsCables?: boolean
  /** Decides all that chance decides, before the run. */
  plan(dice: Dice): Fault
}

/** A fault as it was planned. */
export interface Fault {
  /** What is done, for whoever reads the schedule. */
  readonly text: string
  /** How long it lasts, about, and how long what it was done to is then left alone, in milliseconds. */
  readonly lastsMs: number
  readonly restMs: number
  /** Whether a server may end by it. A server that ends without such a fault was healthy. */
  readonly mayEnd: boolean
  /** In which measure the time counts until the rows of a server say that it was lost. */
  readonly lossCounts?: Measure
  /**
   * Resolves when the fault is over.
   * @param member the server that it is done to
   * @returns false when it could not be done
   */
  inject(world: World, member: Member): Promise<boolean>
}
