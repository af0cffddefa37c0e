import { quantile } from '../statistics.ts'
import type { Costs } from './costs.ts'
import { EventQueue } from './event-queue.ts'
import { hintGapMs, pulsePauseMs, watchGapMs, type Fleet } from './fleet.ts'

/** So many requests are measured, but for at least so many milliseconds, after others that fill the queues. */
const measured = { requests: 100, leastMs: 3000 }
const warmUpMs = 1500

/** How many requests a server runs at a time: as by default. They are short, so that all are free at each claim. */
const slots = 10

/** From the primary to a server and back, in milliseconds. */
const roundTripMs = 0.5

/**
 * Plays the statements of a fleet, one by one, on the cores of a primary: pulses with their jitter, enqueues with their
 * hints, the claim of every server that a hint or a pulse woke. Each statement waits for a free core, first come first
 * served; the order is that of a seed. Disks, row locks and commits that wait for each other are not in it.
 * @returns from the enqueue to the end of the claim that took the request, in milliseconds
 */
export function simulateStarts(fleet: Fleet, costs: Costs): { p50: number; p99: number } {
  const starts = new Simulation(fleet, costs).run().toSorted((a, b) => a - b)
  return { p50: quantile(starts, 0.5), p99: quantile(starts, 0.99) }
}

class Simulation {
  readonly #fleet: Fleet
  readonly #costs: Costs
  readonly #random = seeded(1)
  readonly #events = new EventQueue()
  /** When each core is free. */
  readonly #cores: Float64Array
  /** Until when each server's claim is under way; for ever when it claims once more after that. */
  readonly #claiming: Float64Array
  /** When those were enqueued that nobody has claimed, oldest first. */
  readonly #queue: number[] = []
  readonly #starts: number[] = []
  #hintDueAt = -Infinity
  #now = 0

  constructor(fleet: Fleet, costs: Costs) {
    this.#fleet = fleet
    this.#costs = costs
    this.#cores = new Float64Array(fleet.cores)
    this.#claiming = new Float64Array(fleet.servers)
  }

  run(): number[] {
    const { servers } = this.#fleet
    for (let server = 0; server < servers; server++) {
      const firstAt = this.#random() * this.#fleet.pollMs
      const watchedAt = firstAt - this.#random() * watchGapMs(this.#fleet)
      this.#events.add(firstAt, () => this.#pulse(server, watchedAt))
    }
    this.#events.add(0, () => this.#enqueue())
    const { requests, leastMs } = measured
    for (let next = this.#events.take(); next; next = this.#events.take()) {
      if (this.#starts.length >= requests && next.at > warmUpMs + leastMs) break
      this.#now = next.at
      next.happen()
    }
    return this.#starts
  }

  /** Gives the core that is free first to a statement. @returns when the statement has ended */
  #work(costMs: number): number {
    const cores = this.#cores
    let first = 0
    for (let core = 1; core < cores.length; core++)
      if ((cores[core] ?? 0) < (cores[first] ?? 0)) first = core
    const endsAt = Math.max(this.#now, cores[first] ?? 0) + costMs
    cores[first] = endsAt
    return endsAt
  }

  #pulse(server: number, watchedAt: number): void {
    const { servers } = this.#fleet
    const { pulseMs, watchMs, watchPerServerMs } = this.#costs
    const isWatching = this.#now - watchedAt >= watchGapMs(this.#fleet)
    const endsAt = this.#work(isWatching ? watchMs + watchPerServerMs * servers : pulseMs)
    const answeredAt = endsAt + roundTripMs
    if (this.#queue.length > 0) this.#events.add(answeredAt, () => this.#wake(server))
    const nextAt = answeredAt + pulsePauseMs(this.#fleet, this.#random())
    const nextWatchedAt = isWatching ? this.#now : watchedAt
    this.#events.add(nextAt, () => this.#pulse(server, nextWatchedAt))
  }

  #enqueue(): void {
    const calledAt = this.#now
    this.#events.add(this.#work(this.#costs.enqueueMs), () => {
      this.#queue.push(calledAt)
      if (this.#fleet.listen) this.#hint()
    })
    const pauseMs = (-Math.log(1 - this.#random()) * 1000) / this.#fleet.requestsPerSecond
    this.#events.add(this.#now + pauseMs, () => this.#enqueue())
  }

  /** The first at once, those that follow quickly together. */
  #hint(): void {
    if (this.#hintDueAt > this.#now) return
    this.#hintDueAt = Math.max(this.#now, this.#hintDueAt + hintGapMs)
    this.#events.add(this.#hintDueAt, () => {
      this.#hintDueAt = this.#now
      this.#events.add(this.#work(this.#costs.hintMs), () => this.#tellAll())
    })
  }

  #tellAll(): void {
    for (let server = 0; server < this.#fleet.servers; server++) {
      const heardAt = this.#work(this.#costs.hintPerListenerMs) + roundTripMs / 2
      this.#events.add(heardAt, () => this.#wake(server))
    }
  }

  /** Woken during a claim, a server claims once more after it, however often it was woken. */
  #wake(server: number): void {
    const freeAt = this.#claiming[server] ?? 0
    if (freeAt <= this.#now) this.#claim(server)
    else if (freeAt < Infinity) {
      this.#claiming[server] = Infinity
      this.#events.add(freeAt, () => this.#claim(server))
    }
  }

  /** Takes as many as there are slots, and looks again when there may be more. */
  #claim(server: number): void {
    const taken = this.#queue.splice(0, slots)
    const { emptyClaimMs, singleRunMs, batchedRunMs } = this.#costs
    const costMs =
      taken.length === 0 ? emptyClaimMs : singleRunMs + (taken.length - 1) * batchedRunMs
    const answeredAt = this.#work(costMs) + roundTripMs
    this.#claiming[server] = answeredAt
    if (taken.length === slots) this.#events.add(answeredAt, () => this.#wake(server))
    for (const calledAt of taken) if (calledAt >= warmUpMs) this.#starts.push(answeredAt - calledAt)
  }
}

/** The small generator "mulberry32" by Tommy Ettinger (public domain). */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
