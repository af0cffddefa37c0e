import type pg from 'pg'
import { pulse, type Pulse, type PulseQuestion } from '../db/pulse.ts'
import type { Tables } from '../db/tables.ts'
import { sqlStateOf } from '../db/translate-error.ts'

export interface PulseSenderOptions {
  readonly t: Tables
  readonly incarnation: string
  /** Where this server looks for work. */
  readonly lanes: readonly number[]
  readonly isStandby: boolean
  /** How often to look at the others, in milliseconds. */
  readonly watchMs: number
  readonly onError: (error: unknown, name: string) => void
}

/** How long the queue and the schedule are left alone after a look at them took too long, in milliseconds. */
const sparedMs = 30_000

/** The server's `statement_timeout` was over. */
const queryCanceled = '57014'

/** How many beats there are: so many that nobody can take one for another, however long it looked away. */
const beats = 2 ** 31

/** Decides what each pulse asks for, and keeps count of the beats. */
export class PulseSender {
  readonly #options: PulseSenderOptions
  #watchedAt = -Infinity
  #spareUntil = -Infinity
  #beat = 0
  /** The beat whose lock this session holds. */
  #held: { session: pg.Client; beat: number } | undefined

  constructor(options: PulseSenderOptions) {
    this.#options = options
  }

  /**
   * Looks at the others when it is time to, and first of all on a new session: what was seen before counts no more. A queue
   * full of rows that nobody may remove yet can make the look at it slow, but not the proof.
   * @param isLossDue whether another incarnation may have to be declared lost now
   */
  async send(session: pg.Client, now: number, isLossDue: boolean): Promise<Pulse> {
    const { lanes, watchMs, onError } = this.#options
    const isNew = this.#held?.session !== session
    const isDue = now - this.#watchedAt >= watchMs
    const isWatching = isLossDue || isNew || isDue
    try {
      const asked = now < this.#spareUntil ? undefined : lanes
      const answer = await this.#ask(session, { lanes: asked, isWatching })
      if (answer.others) this.#watchedAt = now
      return answer
    } catch (error) {
      if (sqlStateOf(error) !== queryCanceled) throw error
      this.#spareUntil = now + sparedMs
      onError(error, 'look')
      return this.#ask(session, { lanes: undefined, isWatching: false })
    }
  }

  async #ask(
    session: pg.Client,
    asked: Pick<PulseQuestion, 'lanes' | 'isWatching'>,
  ): Promise<Pulse> {
    const { t, incarnation, isStandby } = this.#options
    const beat = (this.#beat = (this.#beat + 1) % beats)
    const last = this.#held?.session === session ? this.#held.beat : undefined
    const answer = await pulse(session, t, { ...asked, incarnation, isStandby, beat, last })
    this.#held = { session, beat }
    return answer
  }
}
