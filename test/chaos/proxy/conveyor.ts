import type { Socket } from 'node:net'
import type { Weather } from './weather.ts'

/** How many bytes of one piece are sliced; the rest follows as a whole. */
const mostSliced = 64

/** Brings bytes to a socket in their order, as the weather allows. */
export class Conveyor {
  readonly #to: Socket
  readonly #weather: Weather
  #last: Promise<void> | undefined

  constructor(to: Socket, weather: Weather) {
    this.#to = to
    this.#weather = weather
  }

  send(bytes: Buffer): void {
    const { delayMs, sliceBytes } = this.#weather
    if (bytes.length === 0) return
    if (delayMs === 0 && sliceBytes === 0 && !this.#last) {
      this.#to.write(bytes)
      return
    }
    const arrival = delayMs === 0 ? undefined : sleep(delayMs)
    const sending: Promise<void> = Promise.all([this.#last, arrival])
      .then(() => this.#write(bytes, sliceBytes))
      .finally(() => {
        if (this.#last === sending) this.#last = undefined
      })
    this.#last = sending
  }

  /** Resolves when all that was sent so far has left. */
  async flush(): Promise<void> {
    await this.#last
  }

  async #write(bytes: Buffer, sliceBytes: number): Promise<void> {
    const end = sliceBytes === 0 ? 0 : Math.min(bytes.length, mostSliced)
    for (let at = 0; at < end; at += sliceBytes) {
      this.#to.write(bytes.subarray(at, Math.min(at + sliceBytes, end)))
      await new Promise(setImmediate)
    }
    if (end < bytes.length) this.#to.write(bytes.subarray(end))
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
