/** At the most one hint in so many milliseconds: NOTIFY makes commits wait for each other. */
const gapMs = 5

/** Sends hints to the servers: the first at once, those that follow quickly together. */
export class Waker {
  readonly #send: () => Promise<void>
  readonly #underWay = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #again = false

  constructor(send: () => Promise<void>) {
    this.#send = send
  }

  wake(): void {
    if (this.#timer) {
      this.#again = true
      return
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#again) this.wake()
    }, gapMs)
    this.#again = false
    this.#sendHint()
  }

  /** Sends what waits to be sent, and resolves when nothing is under way: its connection is about to be closed. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#again) this.#sendHint()
    this.#again = false
    await Promise.all(this.#underWay)
  }

  #sendHint(): void {
    const hint = this.#send()
      // Only a hint: when it is lost, the next poll finds the work.
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(hint))
    this.#underWay.add(hint)
  }
}
