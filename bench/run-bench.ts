import { Arena } from './arena.ts'
import type { Case, Entrant, Metric, Sample } from './case.ts'
import { cases } from './cases.ts'
import { isAvailable, loadContender, type ContenderName } from './contenders.ts'
import { judge, type Judgement } from './judge.ts'
import { describeMachine, type Machine } from './machine.ts'
import type { Plan } from './plan.ts'

export interface BenchOptions extends Plan {
  /** No round is begun, but the first, that is likely to end later than so many minutes after the start; no limit unless given. */
  readonly minutes?: number | undefined
  /** Only these cases, by name; all unless given. */
  readonly caseNames?: readonly string[] | undefined
  /** Only against these contenders; against all that are available unless given. */
  readonly against?: readonly ContenderName[] | undefined
  /** Only the cases of a short run. */
  readonly isQuick: boolean
  /** Of a PostgreSQL server that may be used; one of our own unless given. */
  readonly databaseUrl?: string | undefined
  /** Ends the run before the next measurement. */
  readonly signal?: AbortSignal | undefined
  /** Told of each measurement. */
  readonly onProgress?: ((line: string) => void) | undefined
}

export interface EntrantResult {
  readonly name: string
  readonly contender: ContenderName
  readonly isPeer: boolean
  /** One for each round; undefined for one that failed. */
  readonly samples: readonly (Sample | undefined)[]
  /** Why measurements failed. */
  readonly failures: readonly string[]
}

export interface CaseResult {
  readonly name: string
  readonly title: string
  readonly metrics: readonly Metric[]
  readonly entrants: readonly EntrantResult[]
  readonly judgements: readonly Judgement[]
}

export interface BenchResult {
  readonly machine: Machine
  readonly postgres: { readonly version: string; readonly settings: Record<string, string> }
  /** How many there was time for. */
  readonly rounds: number
  /** How many were asked for. */
  readonly wantedRounds: number
  readonly scale: number
  readonly isQuick: boolean
  /** How long the whole run took. */
  readonly seconds: number
  readonly contenders: Readonly<Record<string, About>>
  readonly cases: readonly CaseResult[]
}

interface About {
  readonly version: string
  readonly settings: string
  readonly documentation: string
}

/**
 * Measures every entrant of every case, in turns, on one PostgreSQL. A measurement that fails is part of the result.
 * @throws {Error} when no case is left to be run; the signal's reason
 */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const { rounds, scale, isQuick, databaseUrl } = options
  const chosen = chooseCases(options)
  if (chosen.length === 0)
    throw new Error(`there is no such case; there are ${cases.map(({ name }) => name).join(', ')}`)
  const machine = describeMachine()
  const begunAt = performance.now()
  const arena = await Arena.open(databaseUrl)
  try {
    const running = chosen.map(one => openCase(one))
    const done = await runRounds(running, arena, options)
    const results = running.map(({ one, measured }) => {
      const { name, title, metrics } = one
      return {
        name,
        title: title(options),
        metrics,
        entrants: measured,
        judgements: judge(one, measured),
      }
    })
    return {
      machine,
      postgres: await arena.describe(),
      rounds: done,
      wantedRounds: rounds,
      scale,
      isQuick,
      seconds: Math.round((performance.now() - begunAt) / 1000),
      contenders: await describeContenders(results),
      cases: results,
    }
  } finally {
    await arena.close()
  }
}

function chooseCases({ caseNames, isQuick, against }: BenchOptions): Case[] {
  const isAsked = ({ contender }: Entrant): boolean =>
    contender === 'cluster-worker' ||
    (isAvailable(contender) && (!against || against.includes(contender)))
  return cases
    .filter(({ name, isQuick: isShort }) => caseNames?.includes(name) ?? (isShort || !isQuick))
    .map(one => ({ ...one, entrants: one.entrants.filter(isAsked) }))
}

/** A case with what was measured so far. */
interface RunningCase {
  readonly one: Case
  readonly measured: readonly {
    readonly name: string
    readonly contender: ContenderName
    readonly isPeer: boolean
    readonly samples: (Sample | undefined)[]
    readonly failures: string[]
  }[]
}

function openCase(one: Case): RunningCase {
  const measured = one.entrants.map(({ name, contender, isPeer }) => {
    return { name, contender, isPeer, samples: [], failures: [] }
  })
  return { one, measured }
}

/** @returns how many rounds there was time for */
async function runRounds(
  running: readonly RunningCase[],
  arena: Arena,
  options: BenchOptions,
): Promise<number> {
  const { rounds, minutes = Infinity } = options
  const begunAt = performance.now()
  for (let round = 0; round < rounds; round++) {
    const usedMs = performance.now() - begunAt
    if (round > 0 && usedMs + usedMs / round > minutes * 60_000) return round
    for (const { one, measured } of running)
      if (round === 0 || !one.isOnce) await runCase({ one, measured }, round, arena, options)
  }
  return rounds
}

async function runCase(
  { one, measured }: RunningCase,
  round: number,
  arena: Arena,
  options: BenchOptions,
): Promise<void> {
  const { rounds, onProgress, signal } = options
  for (const index of turnsOf(one.entrants.length, round)) {
    signal?.throwIfAborted()
    const entrant = one.entrants[index] as Entrant
    const result = measured[index] as RunningCase['measured'][number]
    const begunAt = performance.now()
    const outcome = await measureOnce(entrant, arena, options)
    const seconds = ((performance.now() - begunAt) / 1000).toFixed(1)
    if (typeof outcome === 'string') result.failures.push(outcome)
    result.samples.push(typeof outcome === 'string' ? undefined : outcome)
    onProgress?.(
      `${one.name} ${round + 1}/${rounds} ${entrant.name}: ${describe(outcome)} (${seconds} s)`,
    )
  }
}

/** Each round begins with another one, so that nobody is always the first. */
function turnsOf(count: number, round: number): number[] {
  return Array.from({ length: count }, (_, index) => (index + round) % count)
}

async function measureOnce(entrant: Entrant, arena: Arena, plan: Plan): Promise<Sample | string> {
  try {
    return await entrant.measure(arena, plan)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function describe(outcome: Sample | string): string {
  if (typeof outcome === 'string') return `FAILED: ${outcome}`
  return Object.entries(outcome)
    .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
    .join(', ')
}

async function describeContenders(results: readonly CaseResult[]): Promise<Record<string, About>> {
  const names = new Set(
    results.flatMap(({ entrants }) => entrants.map(({ contender }) => contender)),
  )
  const described: Record<string, About> = {}
  for (const name of names) {
    const { version, settings, documentation } = await loadContender(name)
    described[name] = { version, settings, documentation }
  }
  return described
}
