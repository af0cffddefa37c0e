/** What follows from how long the others wait for a silent server. All in milliseconds. */
export interface Limits {
  /** How often the proof is renewed at least. */
  readonly heartbeatMs: number
  /** How long an answer may take; then there is time for another try before the server gives up. */
  readonly answerMs: number
  /** How long opening a session may take. */
  readonly connectMs: number
  /** How long PostgreSQL may work on one pulse. */
  readonly statementMs: number
  /** After a failure, the next try. */
  readonly retryMs: number
  /** How often to look at the others. */
  readonly watchMs: number
  /** How long the server goes on without proof; the rest of `lostAfterMs` is for stopping its work. */
  readonly proveMs: number
  /** How long until somebody else must stop it: it should have stopped its work by then. */
  readonly trustMs: number
  /** When PostgreSQL ends a session that is silent. Only to clean up: the others see before that it does not move. */
  readonly endMs: number
  /** How much longer than `proveMs` it goes on while the database is known to be away. */
  readonly outageGraceMs: number
}

/**
 * Everything is a part of `lostAfterMs`, so that the order always holds: a pulse and one more try fit into
 * `proveMs`; then the server stops its work; what is left at `trustMs` is stopped by its guardian; only at
 * `lostAfterMs` the others declare it lost. docs/decisions/0004-witness-session.md has the proof.
 */
export function limitsOf(given: { lostAfterMs: number; outageGraceMs: number }): Limits {
  const { lostAfterMs, outageGraceMs } = given
  const part = (of: number): number => Math.ceil(lostAfterMs * of)
  return {
    heartbeatMs: part(0.25),
    answerMs: part(0.2),
    connectMs: part(0.4),
    statementMs: part(0.15),
    retryMs: Math.min(part(0.1), 250),
    watchMs: part(0.19),
    proveMs: part(0.6),
    trustMs: part(0.8),
    endMs: part(1.6),
    outageGraceMs,
  }
}
