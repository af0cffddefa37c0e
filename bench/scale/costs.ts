/** What statements cost the primary: processor time of its sessions, in milliseconds. */
export interface Costs {
  /** A pulse that does not ask for the other servers. */
  readonly pulseMs: number
  /** A pulse that asks who is silent, with no other server. */
  readonly watchMs: number
  /** What each other server adds to that. */
  readonly watchPerServerMs: number
  /** A claim that finds nothing. */
  readonly emptyClaimMs: number
  /** A claim of one request and its finish. */
  readonly singleRunMs: number
  /** The same for one request of a batch of 500. */
  readonly batchedRunMs: number
  /** One request enqueued by itself. */
  readonly enqueueMs: number
  /** A hint, without anybody who listens. */
  readonly hintMs: number
  /** What each session that listens adds to that, on both sides. */
  readonly hintPerListenerMs: number
  /** The memory of a session's own, in MiB. */
  readonly sessionMiB: number
}

/** Where and when costs were measured. */
export interface MeasuredCosts {
  readonly processor: string
  readonly postgres: string
  readonly load: number
  readonly costs: Costs
}
