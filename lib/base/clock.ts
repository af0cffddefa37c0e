import { readFileSync } from 'node:fs'

/** Milliseconds of a clock that never jumps and has no relation to the time of day. */
export type MonotonicClock = () => number

/** The machine's monotonic clock: all its programs and their threads see the same time. */
export const monotonic: MonotonicClock = () => Number(process.hrtime.bigint()) / 1e6

/** Quicker to read, for the time between two moments in one thread: each thread counts from another beginning. */
export const elapsed: MonotonicClock = () => performance.now()

/** Milliseconds without what nobody measures: what is stored of them is short then. */
export function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/**
 * The same with the time that the machine slept or was paused, which the monotonic clock leaves out: whoever
 * promised to act within some time must know of it. It moves in steps of 10 ms. Only on Linux; elsewhere it is the
 * monotonic clock.
 */
export function openBootClock(): MonotonicClock {
  return readUptimeMs() === undefined ? monotonic : () => readUptimeMs() ?? monotonic()
}

function readUptimeMs(): number | undefined {
  try {
    const seconds = Number.parseFloat(readFileSync('/proc/uptime', 'latin1'))
    return Number.isFinite(seconds) ? seconds * 1000 : undefined
  } catch {
    return undefined
  }
}
