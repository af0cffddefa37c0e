/** Milliseconds of a clock that never jumps and has no relation to the time of day. */
export type MonotonicClock = () => number

/** The machine's monotonic clock. */
export const monotonic: MonotonicClock = () => performance.now()
