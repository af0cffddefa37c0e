import { isDeepStrictEqual } from 'node:util'
import { inOrder, race, type Ending, type RaceEnding, type Stage } from './race.ts'
import type { Reaction } from './read-pairs.ts'
import type { Act } from './scene.ts'

/** Two acts in their order, with everything that one after the other leaves. */
interface Pair<Fixture extends string> {
  readonly fixture: Fixture
  readonly acts: [Act<Fixture>, Act<Fixture>]
  /** Nothing done. */
  readonly before: Ending
  /** Only the first one done, and only the second one. */
  readonly alone: [Ending, Ending]
}

/** Tries pairs of acts on rows of its own. */
export class PairTrial<Fixture extends string> {
  readonly #stage: Stage<Fixture>
  readonly #alone = new Map<string, Ending>()
  races = 0

  constructor(stage: Stage<Fixture>) {
    this.#stage = stage
  }

  /** @param expected what the second one does; it has nothing to do with the first one unless given @returns what is wrong */
  async examine(
    names: { first: string; second: string },
    expected: Reaction | undefined,
  ): Promise<string[]> {
    const { acts } = this.#stage.scene
    const pair = [acts[names.first], acts[names.second]] as [Act<Fixture>, Act<Fixture>]
    const problems: string[] = []
    const seen = new Set<Reaction>()
    for (const fixture of this.#fixturesOf(pair)) {
      const found: string[] = []
      const about: Pair<Fixture> = {
        fixture,
        acts: pair,
        before: await this.#doAlone(fixture, undefined),
        alone: [await this.#doAlone(fixture, pair[0]), await this.#doAlone(fixture, pair[1])],
      }
      if (expected) seen.add(await this.#examineMeeting(about, expected, found))
      else await this.#examineApart(about, found)
      problems.push(...found.map(problem => `${fixture}: ${problem}`))
    }
    if (expected && !seen.has(expected))
      problems.push(`expected that it ${expected}, but it ${[...seen].join(' or ')}`)
    return problems
  }

  async #examineMeeting(
    pair: Pair<Fixture>,
    expected: Reaction,
    problems: string[],
  ): Promise<Reaction> {
    const { fixture, before, alone } = pair
    const forwards = await inOrder(this.#stage, fixture, pair.acts)
    const backwards = reverse(await inOrder(this.#stage, fixture, reversed(pair.acts)))
    const isInOrder = (ending: Ending): boolean =>
      isSame(ending, forwards) || isSame(ending, backwards)
    const committed = await this.#race(pair, Infinity, 'commit', problems)
    const undone = await this.#race(pair, Infinity, 'rollback', problems)
    const tell = (when: string, ending: Ending): void => {
      problems.push(`${when}: ${difference(ending, forwards)}`)
    }
    const isRefused = expected === 'is refused' && isDeepStrictEqual(committed.rows, alone[0].rows)
    if (!isInOrder(committed) && !isRefused) tell('after a commit', committed)
    const isAsAlone =
      undone.answers[1] === alone[1].answers[0] && isDeepStrictEqual(undone.rows, alone[1].rows)
    const isPassedBy = isDeepStrictEqual(undone.rows, before.rows)
    const mayPassBy = expected === 'skips' || expected === 'is refused'
    if (mayPassBy ? !isPassedBy : !isAsAlone) tell('after it was undone', undone)
    // In one fixture: what comes in between is the same in the others.
    const last = fixture === this.#fixturesOf(pair.acts)[0] ? committed.statements : 0
    for (let held = 1; held < last; held++) {
      const ending = await this.#race(pair, held, 'commit', problems)
      if (!isInOrder(ending)) tell(`held after ${held} statements`, ending)
    }
    if (committed.hasWaited) return 'waits'
    return mayPassBy && !isAsAlone ? expected : 'goes on'
  }

  /** Each does what it does alone, so the rows are those before with both their changes. */
  async #examineApart(pair: Pair<Fixture>, problems: string[]): Promise<void> {
    const { before, alone } = pair
    const ending = await this.#race(pair, Infinity, 'commit', problems)
    if (ending.hasWaited) problems.push('it waits, and is not in the table')
    const expected: Ending = {
      answers: alone.map(({ answers }) => answers[0] as string),
      rows: withChanges(
        withChanges(before.rows, before.rows, alone[0].rows),
        before.rows,
        alone[1].rows,
      ),
      broken: [],
    }
    if (!isSame(ending, expected))
      problems.push(`meets, and is not in the table: ${difference(ending, expected)}`)
  }

  async #race(
    { fixture, acts: [first, second] }: Pair<Fixture>,
    heldAfter: number,
    ending: 'commit' | 'rollback',
    problems: string[],
  ): Promise<RaceEnding> {
    this.races++
    const ended = await race(this.#stage, fixture, { acts: [first, second], heldAfter, ending })
    problems.push(...ended.broken)
    return ended
  }

  async #doAlone(fixture: Fixture, act: Act<Fixture> | undefined): Promise<Ending> {
    const key = `${fixture} ${Object.values(this.#stage.scene.acts).findIndex(one => one === act)}`
    const known = this.#alone.get(key)
    if (known) return known
    const ending = await inOrder(this.#stage, fixture, act ? [act] : [])
    this.#alone.set(key, ending)
    return ending
  }

  /** Those in which one or the other does something. */
  #fixturesOf(pair: readonly Act<Fixture>[]): Fixture[] {
    const { usual } = this.#stage.scene
    return [...new Set(pair.flatMap(({ fixtures = [usual] }) => fixtures))]
  }
}

function isSame(one: Ending, other: Ending): boolean {
  return isDeepStrictEqual(one.rows, other.rows) && isDeepStrictEqual(one.answers, other.answers)
}

function reversed<Item>([first, second]: [Item, Item]): [Item, Item] {
  return [second, first]
}

function reverse(ending: Ending): Ending {
  return { ...ending, answers: ending.answers.toReversed() }
}

/** The rows with what was changed between two other states of them. */
function withChanges(
  rows: readonly string[],
  from: readonly string[],
  to: readonly string[],
): string[] {
  return [...without(rows, without(from, to)), ...without(to, from)].toSorted()
}

/** The rows without those of a second list, as many times as that has each. */
function without(rows: readonly string[], gone: readonly string[]): string[] {
  const left = [...rows]
  for (const row of gone) {
    const index = left.indexOf(row)
    if (index >= 0) left.splice(index, 1)
  }
  return left
}

function difference(got: Ending, expected: Ending): string {
  const extra = without(got.rows, expected.rows)
  const missing = without(expected.rows, got.rows)
  return JSON.stringify({ answers: got.answers, expected: expected.answers, extra, missing })
}
