import { Loop, type NextPass } from '../base/loop.ts'
import type { Claimer } from './claimer.ts'

export interface ClaimLoopsOptions {
  readonly claimer: Pick<Claimer, 'pass' | 'passBeside'>
  /** Whether the server may begin anything new. */
  readonly mayBegin: () => boolean
  readonly onError: (error: unknown, name: string) => void
}

/**
 * Lets a server claim as long as it lives. Two loops, so that PostgreSQL works on one claim while it commits another: the
 * second joins in only while there is so much to do that both claims are full.
 */
export class ClaimLoops {
  readonly #loops: readonly Loop[]

  constructor({ claimer, mayBegin, onError }: ClaimLoopsOptions) {
    const name = 'claim'
    const whileItMay = (pass: () => Promise<NextPass>) => async () =>
      mayBegin() ? pass() : 'when woken'
    const first = new Loop({ name, pass: whileItMay(() => claimer.pass()), onError })
    const second = new Loop({
      name,
      pass: whileItMay(() => claimer.passBeside()),
      onError(error) {
        onError(error, name)
        // It reads back what the claim may have taken.
        first.wake()
      },
    })
    this.#loops = [first, second]
  }

  start(): void {
    for (const loop of this.#loops) loop.start()
  }

  /** Looks for requests at once. */
  wake(): void {
    for (const loop of this.#loops) loop.wake()
  }

  /** Claims nothing more; resolves when no claim is under way. */
  async stop(): Promise<void> {
    await Promise.all(this.#loops.map(loop => loop.stop()))
  }
}
