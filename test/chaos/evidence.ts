import type { LedgerLine } from './ledger.ts'
import type { Overdue } from './overdue-watch.ts'

/** All that is known about a run when it is over: what its steps wrote, what the database says, what was observed. */
export interface Evidence {
  readonly ledger: readonly LedgerLine[]
  /** What the enqueuing program was told: its key, and the request's id. */
  readonly acknowledged: readonly Acknowledged[]
  readonly requests: readonly RequestRow[]
  readonly claims: readonly ClaimRow[]
  /** What the audit saw come into `finished`, in order. */
  readonly finishes: readonly FinishRow[]
  /** What is in `finished` at the end. */
  readonly finished: readonly FinishRow[]
  readonly incarnations: readonly IncarnationRow[]
  readonly logs: readonly LogRow[]
  /** When the request was first seen in `finished`, by the ledger's clock. */
  readonly firstSeen: ReadonlyMap<string, number>
  /** Requests whose finished row was seen with two contents during the run. */
  readonly changedMeanwhile: readonly string[]
  readonly losses: readonly LossSample[]
  /** Incarnations that did not prove themselves, had running requests, and were not declared lost in time. */
  readonly overdue: readonly Overdue[]
  /** Incarnations that ended although nothing was done to them that explains it. */
  readonly falseDeaths: readonly FalseDeath[]
  readonly suspensions: readonly SuspensionSample[]
  readonly quiet: QuietState
  /** What was seen to happen. */
  readonly happened: ReadonlySet<string>
  /** What must have happened at least once for the run to mean something. */
  readonly wantedProbes: readonly string[]
}

export interface Acknowledged {
  readonly key: string
  readonly requestId: string
}

export interface RequestRow {
  readonly id: string
  readonly key: string | null
  /** The lost request whose steps it undoes. */
  readonly compensates: string | null
  /** Where it is; several when more than one room has it, none when none has. */
  readonly rooms: readonly string[]
}

export interface ClaimRow {
  /** Counts the claims. */
  readonly seq: number
  readonly id: string
  readonly incarnation: string
  readonly token: string
}

export interface FinishRow {
  readonly id: string
  readonly outcome: string
  readonly reason: string | null
  readonly incarnation: string | null
}

export interface IncarnationRow {
  readonly id: string
  readonly node: string
  readonly pid: number
  readonly state: string
}

/** The log of one request. */
export interface LogRow {
  readonly requestId: string
  readonly pieces: number
  readonly first: number
  readonly last: number
}

/** What was alive at the moment when rows said `server_lost`. */
export interface LossSample {
  readonly node: string
  readonly requestIds: readonly string[]
  readonly alive: readonly { readonly requestId: string; readonly pid: number }[]
  /** Whether the server and its guardian were killed together, which nothing survives that could stop commands. */
  readonly isUnguarded: boolean
}

/** A server that was lost for no reason. */
export interface FalseDeath {
  readonly node: string
  readonly incarnation: string
  readonly why: string
  /** Whether the machine was so busy with other things that it had no time for our programs. */
  readonly isStarved: boolean
}

/** A server was suspended from its acknowledgement to a moment before it was resumed. */
export interface SuspensionSample {
  readonly node: string
  readonly from: Moment
  readonly to: Moment
}

export interface Moment {
  /** By the ledger's clock. */
  readonly clockMs: number
  /** The number of the last claim. */
  readonly claim: number
}

/** What is left when nothing more is to be done. */
export interface QuietState {
  /** Rows that wait or run although nothing should. */
  readonly unfinished: number
  /** Servers that did not leave when they were asked to. */
  readonly hanging: readonly string[]
  /** Incarnations that are over and have a lock still. */
  readonly leakedLocks: readonly string[]
  readonly idleInTransaction: number
  readonly preparedTransactions: number
  /** Sessions that are still there after all servers have left. */
  readonly sessionsAfterLeaving: readonly string[]
  readonly locksAfterLeaving: number
}
