import type { Crew } from '../db/standby.ts'

export interface CrewEvents {
  /** No server claims: requests wait. */
  noActive(): void
  /** The cluster has standbys, but none of them is alive. */
  noStandby(): void
}

/**
 * How many looks in a row must see it. A standby takes over between two of them, and a server that is restarted may
 * be back.
 */
const looksNeeded = 2

/** Warns once when nobody claims and when no standby is alive, and again when it was otherwise in between. */
export class CrewWatch {
  readonly #events: CrewEvents
  #looks = { noActive: 0, noStandby: 0 }

  constructor(events: CrewEvents) {
    this.#events = events
  }

  /** What a look has seen. */
  heed(crew: Crew): void {
    this.#count('noActive', !crew.isClaiming)
    this.#count('noStandby', crew.isStandbyMissing)
  }

  #count(name: keyof CrewEvents, isSo: boolean): void {
    this.#looks[name] = isSo ? this.#looks[name] + 1 : 0
    if (this.#looks[name] === looksNeeded) this.#events[name]()
  }
}
