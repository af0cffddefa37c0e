import { randomInt } from 'node:crypto'

/** A number from 0 up to, not including, 1. */
export type Random = () => number

const parts = 2 ** 32

export const random: Random = () => randomInt(parts) / parts

/** The value changed by up to the given part of itself, so that many servers do not act at the same moment. */
export function jitter(value: number, part: number, from: Random = random): number {
  return value * (1 + part * (2 * from() - 1))
}
