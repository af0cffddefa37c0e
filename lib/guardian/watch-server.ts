import type { Readable } from 'node:stream'
import { monotonic } from '../base/clock.ts'
import type { Charge, Message } from './message.ts'

/** How the watch over a server ended. */
export interface WatchEnd {
  readonly charge: Charge
  /** `gone`: it died, or stopped all its work itself. `overdue`: it is frozen, or cut off. */
  readonly how: 'gone' | 'overdue'
  /** The ids of the requests that it ran. */
  readonly running: ReadonlySet<string>
  /** Until when the server's last proof holds, by the machine's monotonic clock, in milliseconds. */
  readonly provenUntil: number
}

/**
 * Watches a server through the pipe that it writes to, by our own clock only.
 * @returns when something must be done; undefined when the server left in good order
 */
export async function watchServer(
  pipe: Readable,
  acknowledge: () => void,
): Promise<WatchEnd | undefined> {
  const { promise: overdue, resolve } = Promise.withResolvers<'overdue'>()
  const deadline = new Deadline(() => resolve('overdue'))
  const running = new Set<string>()
  let charge: Charge | undefined
  let provenUntil = -Infinity
  let hasLeft = false

  const hear = (message: Charge | Message): void => {
    if ('incarnation' in message) charge = checkCharge(message)
    if ('running' in message) for (const id of message.running) running.add(id)
    if ('started' in message) for (const id of message.started) running.add(id)
    if ('finished' in message) for (const id of message.finished) running.delete(id)
    if ('leave' in message) hasLeft = true
    if (!('aliveUntil' in message)) return
    provenUntil = message.aliveUntil
    deadline.set(provenUntil)
    acknowledge()
  }

  const gone = readLines(pipe, line => hear(JSON.parse(line))).then(() => 'gone' as const)
  const how = await Promise.race([gone, overdue])
  deadline.clear()
  return charge && !hasLeft ? { charge, how, running, provenUntil } : undefined
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What is killed is found by these two: a guardian that was told nonsense must not look for it. */
function checkCharge(charge: Charge): Charge {
  const { cookie, server } = charge
  if (
    !uuid.test(cookie) ||
    !Number.isSafeInteger(server.pid) ||
    server.pid < 1 ||
    !server.startTicks
  )
    throw new Error('expected a charge with the cookie and the process of one server')
  return charge
}

/** Resolves when the pipe has ended, however. A line that was cut off by the end does not count. */
async function readLines(pipe: Readable, take: (line: string) => void): Promise<void> {
  let rest = ''
  pipe.setEncoding('utf8')
  try {
    for await (const text of pipe) {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) take(line)
    }
  } catch (error) {
    // A pipe that breaks has ended; what is said in it must make sense.
    if (!(error instanceof Error && 'syscall' in error)) throw error
  }
}

/** Calls back when the time that was set last is over. */
class Deadline {
  readonly #onMissed: () => void
  #at = Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(onMissed: () => void) {
    this.#onMissed = onMissed
  }

  /** A moment and not a span: a message may be read long after it was written. */
  set(at: number): void {
    this.#at = at
    this.#arm(at - monotonic())
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#at = Infinity
  }

  #arm(inMs: number): void {
    clearTimeout(this.#timer)
    // When this process itself was held up, timers come before the lines that wait in the pipe.
    this.#timer = setTimeout(() => setImmediate(() => this.#check()), Math.max(0, Math.ceil(inMs)))
  }

  #check(): void {
    const leftMs = this.#at - monotonic()
    if (leftMs <= 0) this.#onMissed()
    else if (leftMs < Infinity) this.#arm(leftMs)
  }
}
