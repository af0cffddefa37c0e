import { Loop, type NextPass } from '../base/loop.ts'
import type { Duty } from '../db/standby.ts'
import type { Control } from '../db/node-control.ts'

export interface StandbyOptions {
  /** Takes over or hands back, when that is still the thing to do. */
  readonly doDuty: () => Promise<Duty | undefined>
  /** This server's orders have changed. */
  readonly onDone: () => void
  readonly onTookOver: () => void
  readonly onHandedBack: () => void
  readonly onError: (error: unknown, name: string) => void
}

/** A server that claims only while no other one does. Its pulses tell what it has to do. */
export class Standby {
  readonly #options: StandbyOptions
  readonly #loop: Loop
  #isDue = false
  #isOnDuty = false

  constructor(options: StandbyOptions) {
    this.#options = options
    this.#loop = new Loop({
      name: 'standby',
      pass: () => this.#pass(),
      onError: options.onError,
    })
  }

  start(): void {
    this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /** What a pulse has seen. */
  heed(duty: Duty | null): void {
    if (!duty) return
    this.#isDue = true
    this.#loop.wake()
  }

  /** What the orders say, whoever has changed them. They are read one after the other, so each change is told once. */
  observe({ suspensions }: Control): void {
    const { onTookOver, onHandedBack } = this.#options
    const wasOnDuty = this.#isOnDuty
    this.#isOnDuty = suspensions.every(({ kind }) => kind !== 'standby')
    if (this.#isOnDuty && !wasOnDuty) onTookOver()
    if (!this.#isOnDuty && wasOnDuty) onHandedBack()
  }

  /** After a failure the next pulse asks for it again. */
  async #pass(): Promise<NextPass> {
    const isDue = this.#isDue
    this.#isDue = false
    if (isDue && (await this.#options.doDuty())) this.#options.onDone()
    return 'when woken'
  }
}
