import { Arena } from './arena.ts'
import type { Case, Entrant, Metric, Sample } from './case.ts'
import { cases } from './cases.ts'
import { isAvailable, loadContender, type ContenderName } from './contenders.ts'
import { judge, type Judgement } from './judge.ts'
import { describeMachine, type Machine } from './machine.ts'
import type { Plan } from './plan.ts'

export interface BenchOptions extends Plan {
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
  readonly rounds: number
  readonly scale: number
  readonly isQuick: boolean
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
    const results: CaseResult[] = []
    for (const one of chosen) results.push(await runCase(one, arena, options))
    return {
      machine,
      postgres: await arena.describe(),
      rounds,
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

async function runCase(one: Case, arena: Arena, options: BenchOptions): Promise<CaseResult> {
  const { rounds, onProgress, signal } = options
  const measured = one.entrants.map(({ name, contender, isPeer }) => ({
    name,
    contender,
    isPeer,
    samples: [] as (Sample | undefined)[],
    failures: [] as string[],
  }))
  for (let round = 0; round < rounds; round++) {
    for (const index of turnsOf(one.entrants.length, round)) {
      signal?.throwIfAborted()
      const entrant = one.entrants[index] as Entrant
      const result = measured[index] as (typeof measured)[number]
      const outcome = await measureOnce(entrant, arena, options)
      if (typeof outcome === 'string') result.failures.push(outcome)
      result.samples.push(typeof outcome === 'string' ? undefined : outcome)
      onProgress?.(`${one.name} ${round + 1}/${rounds} ${entrant.name}: ${describe(outcome)}`)
    }
  }
  return {
    name: one.name,
    title: one.title(options),
    metrics: one.metrics,
    entrants: measured,
    judgements: judge(one, measured),
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
