/**
 * At the most one hint in so many milliseconds: NOTIFY makes commits wait for each other. The gap is small behind a
 * hint that came alone, and grows as long as they follow each other.
 */
const gapMs = { least: 1, most: 5 }

/** Sends hints to the servers: the first at once, those that follow quickly together. */
export class Waker {
  readonly #send: () => Promise<void>
  readonly #underWay = new Set<Promise<void>>()
  #gapMs = gapMs.least
  #timer: NodeJS.Timeout | undefined
  #again = false

  constructor(send: () => Promise<void>) {
    this.#send = send
  }

  /** Whether a hint may go at once; then it is the caller's to send, and otherwise `wake` sends it in time. */
  takeTurn(): boolean {
    if (this.#timer) return false
    this.#again = false
    this.#timer = setTimeout(() => this.#endGap(), this.#gapMs)
    return true
  }

  wake(): void {
    if (this.takeTurn()) this.#sendHint()
    else this.#again = true
  }

  /** Sends what waits to be sent, and resolves when nothing is under way: its connection is about to be closed. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#again) this.#sendHint()
    this.#again = false
    await Promise.all(this.#underWay)
  }

  #endGap(): void {
    this.#timer = undefined
    this.#gapMs = this.#again ? Math.min(2 * this.#gapMs, gapMs.most) : gapMs.least
    if (this.#again) this.wake()
  }

  #sendHint(): void {
    const hint = this.#send()
      // Only a hint: when it is lost, the next poll finds the work.
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(hint))
    this.#underWay.add(hint)
  }
}
