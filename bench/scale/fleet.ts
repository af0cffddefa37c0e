import type { Costs } from './costs.ts'

/** A fleet of servers on one primary. All have free slots and know all processes. */
export interface Fleet {
  readonly servers: number
  /** Cores of the primary. */
  readonly cores: number
  /** Requests a second, each enqueued by itself, by one program. */
  readonly requestsPerSecond: number
  /** The servers' options. */
  readonly pollMs: number
  readonly pollJitter: number
  readonly lostAfterMs: number
  readonly listen: boolean
}

/** What a fleet asks of its primary. */
export interface Demand {
  readonly pulsesPerSecond: number
  readonly claimsPerSecond: number
  /** In cores. */
  readonly pulses: number
  /** The part of `pulses` that grows with the square of the fleet: everybody looks at everybody. */
  readonly watching: number
  /** Hints, and claims that find nothing; in cores. */
  readonly wakes: number
  /** Enqueues, claims and finishes; in cores. */
  readonly runs: number
  readonly sum: number
  /** Of a fleet that is calm, and of one whose servers use their whole pools. */
  readonly connections: { readonly calm: number; readonly most: number }
  /** For those connections, in GiB, beside what sessions share. */
  readonly memoryGiB: { readonly calm: number; readonly most: number }
}

/** At the most one hint in so many milliseconds from one program: lib/waker.ts. */
export const hintGapMs = 5

/** How often a server looks at the others at the most, in milliseconds: lib/witness/limits.ts. */
export function watchGapMs({ lostAfterMs }: Fleet): number {
  return 0.19 * lostAfterMs
}

/** How long a server waits from one pulse to the next; `chance` is from 0 to 1. In milliseconds. */
export function pulsePauseMs({ pollMs, pollJitter, lostAfterMs }: Fleet, chance: number): number {
  return Math.min(pollMs * (1 - pollJitter * chance), 0.25 * lostAfterMs)
}

/** What the fleet needs when nothing has to wait. */
export function demandOf(fleet: Fleet, costs: Costs): Demand {
  const { servers, requestsPerSecond, listen } = fleet
  const pauseMs = pulsePauseMs(fleet, 0.5)
  const pulsesPerSecond = (servers * 1000) / pauseMs
  const looksPerSecond = pulsesPerSecond / Math.ceil(watchGapMs(fleet) / pauseMs)
  const watching = (looksPerSecond * costs.watchPerServerMs * servers) / 1000
  const asking = Math.max(0, costs.watchMs - costs.pulseMs)
  const pulses = (pulsesPerSecond * costs.pulseMs + looksPerSecond * asking) / 1000 + watching
  const hints = listen ? Math.min(requestsPerSecond, 1000 / hintGapMs) : 0
  const perServerMs = costs.hintPerListenerMs + costs.emptyClaimMs
  const wakes = (hints * (costs.hintMs + servers * perServerMs)) / 1000
  const runs = (requestsPerSecond * (costs.enqueueMs + costs.singleRunMs)) / 1000
  // The witness, the listener and, of the pool, one that is kept for now and then; or all ten.
  const connections = { calm: servers * (listen ? 3 : 2), most: servers * (listen ? 12 : 11) }
  const gib = (count: number): number => (count * costs.sessionMiB) / 1024
  return {
    pulsesPerSecond,
    claimsPerSecond: hints * servers + requestsPerSecond,
    pulses,
    watching,
    wakes,
    runs,
    sum: pulses + wakes + runs,
    connections,
    memoryGiB: { calm: gib(connections.calm), most: gib(connections.most) },
  }
}
