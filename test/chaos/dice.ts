import { seeded } from '../support/seeded.ts'

/** All chance of a run. The same seed gives the same run. */
export class Dice {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seeded(seed)
  }

  /** At least `least`, less than `limit`. */
  between(least: number, limit: number): number {
    return least + this.#random() * (limit - least)
  }

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return Math.floor(this.between(least, most + 1))
  }

  chance(part: number): boolean {
    return this.#random() < part
  }

  pick<T>(list: readonly T[]): T {
    return list[this.whole(0, list.length - 1)] as T
  }

  /** One of a list, the more often the heavier it is. */
  weigh<T extends { readonly weight: number }>(list: readonly T[]): T {
    let left = this.between(
      0,
      list.reduce((sum, { weight }) => sum + weight, 0),
    )
    return list.find(({ weight }) => (left -= weight) < 0) ?? (list.at(-1) as T)
  }
}
