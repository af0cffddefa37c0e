import type { Test } from 'tap'
import { seeded } from '../support/seeded.ts'
import { faultKinds, type Fault, type FaultKind } from './fault-proxy.ts'
import type { Played } from './scenario.ts'

// A slice: each statement with one fault that the seed chooses, several in one run. With ACK_LOSS=all: each statement with
// each fault in a run of its own, its next executions too, and what is sent only because of a fault.

const isWhole = process.env['ACK_LOSS'] === 'all'
const seed = Number(process.env['ACK_LOSS_SEED'] ?? Date.now() % 1_000_000)

/** How many runs there are at the same time. */
const jobs = 6

/** How many executions of one statement fail, in runs of their own. */
const mostNth = 2

/** How long one run may take, in milliseconds. */
const timeout = isWhole ? 120_000 : 90_000

/** How long all of them may take, in milliseconds. */
export const allMs = isWhole ? 1_200_000 : 120_000

export interface TrialOptions {
  /** Plays the scenario once, behind a network with these faults. */
  readonly play: (t: Test, faults: readonly Fault[]) => Promise<Played>
  /** Whether it is this trial's to let a statement fail. */
  readonly isChosen: (statement: string) => boolean
  /** How many runs the slice has. */
  readonly sliceRuns: number
}

/** Plays a scenario without faults, to learn what it sends, and then lets each of these statements fail. */
export async function loseAnswers(t: Test, options: TrialOptions): Promise<void> {
  t.comment(`seed ${seed}`)
  const { sent, problems } = await options.play(t, [])
  t.same(problems, [], 'without any fault')
  t.jobs = jobs
  for (const statement of sent.keys()) if (!options.isChosen(statement)) sent.delete(statement)
  const trial = new Trial(t, [...sent.keys()], options)
  if (isWhole) await trial.playAll(sent)
  else await trial.playSlice(seeded(seed))
  t.same(trial.unreached(), [], 'each statement has failed')
  t.comment(`${trial.countFired()} faults, at ${trial.countStatements()} statements`)
}

/** Plays the scenario again and again, and keeps account of what has failed. */
class Trial {
  readonly #t: Test
  readonly #statements: readonly string[]
  readonly #options: TrialOptions
  readonly #fired: Fault[] = []
  /** What is sent only when something fails, with what has to fail. */
  readonly #recoveries = new Map<string, readonly Fault[]>()

  constructor(t: Test, statements: readonly string[], options: TrialOptions) {
    this.#t = t
    this.#options = options
    this.#statements = statements
  }

  async playSlice(random: () => number): Promise<void> {
    const { sliceRuns } = this.#options
    const runs: Fault[][] = Array.from({ length: sliceRuns }, () => [])
    // Neighbours in different runs: what comes after a failure may never be sent.
    const kinds = new Map(
      this.#statements
        .toSorted()
        .map(statement => [statement, faultKinds[Math.floor(random() * faultKinds.length)]]),
    )
    for (const [index, statement] of this.#statements.entries())
      runs[index % sliceRuns]?.push({ statement, kind: kinds.get(statement) as FaultKind, nth: 1 })
    await Promise.all(runs.map(faults => this.#play(faults)))
  }

  async playAll(sent: ReadonlyMap<string, number>): Promise<void> {
    const cases = [...sent].flatMap(([statement, times]) =>
      Array.from({ length: Math.min(times, mostNth) }, (_, index) => index + 1).flatMap(nth =>
        faultKinds.map(kind => [{ statement, kind, nth }]),
      ),
    )
    await Promise.all(cases.map(faults => this.#play(faults)))
    const recoveries = [...this.#recoveries].flatMap(([statement, causes]) =>
      faultKinds.map(kind => [...causes, { statement, kind, nth: 1 }]),
    )
    await Promise.all(recoveries.map(faults => this.#play(faults)))
  }

  /** The statements of the scenario that did not fail in every way that they should have. */
  unreached(): string[] {
    const kinds = isWhole ? faultKinds.length : 1
    return this.#statements.filter(
      statement =>
        new Set(this.#fired.filter(one => one.statement === statement).map(one => one.kind)).size <
        kinds,
    )
  }

  countFired(): number {
    return this.#fired.length
  }

  countStatements(): number {
    return new Set(this.#fired.map(({ statement }) => statement)).size
  }

  async #play(faults: readonly Fault[]): Promise<void> {
    const name = faults.map(describe).join(' + ')
    await this.#t.test(name, { buffered: true, timeout }, async t => {
      const played = await this.#options.play(t, faults)
      t.same(played.problems, [])
      this.#note(faults, played)
    })
  }

  #note(faults: readonly Fault[], { sent, fired }: Played): void {
    this.#fired.push(...fired)
    if (faults.length > 1 || fired.size === 0) return
    for (const statement of sent.keys())
      if (
        !this.#statements.includes(statement) &&
        !this.#recoveries.has(statement) &&
        this.#options.isChosen(statement)
      )
        this.#recoveries.set(statement, faults)
  }
}

function describe({ statement, kind, nth }: Fault): string {
  return `${kind}${nth === 1 ? '' : ` (${nth})`}: ${statement.slice(0, 160)}`
}
