/** At the most one hint in so many milliseconds: NOTIFY makes commits wait for each other. */
const gapMs = 5

/** Sends hints to the servers: the first at once, those that follow quickly together. */
export class Waker {
  readonly #send: () => Promise<void>
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
    // Only a hint: when it is lost, the next poll finds the work.
    this.#send().catch(() => undefined)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#again = false
  }
}
