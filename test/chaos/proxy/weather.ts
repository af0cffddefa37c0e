/** What the network between one client and the database is like at the moment. */
export interface Weather {
  /** Nothing gets through, in both directions; new connections are accepted and hang. */
  isStalled: boolean
  /** How long everything takes, each way, in milliseconds. */
  delayMs: number
  /** Messages arrive in pieces of this many bytes; 0 leaves them whole. */
  sliceBytes: number
}

export const fairWeather: Readonly<Weather> = { isStalled: false, delayMs: 0, sliceBytes: 0 }

/**
 * Where in an exchange a connection is cut:
 * - `before`: the statement never reaches PostgreSQL
 * - `at completion`: PostgreSQL has done it; whether it is committed yet is open
 * - `when ready`: it is committed, and the client is not told
 */
export type Boundary = 'before' | 'at completion' | 'when ready'

/** Cuts the connection that sends a text next. */
export interface Cut {
  /** Part of a statement or of its name. */
  readonly text: string
  readonly boundary: Boundary
  /** With a reset, which the client sees as an error, instead of an orderly end. */
  readonly reset: boolean
}
