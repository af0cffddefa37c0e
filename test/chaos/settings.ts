import { parseArgs } from 'node:util'
import { faultKinds } from './fault/list.ts'
import type { FaultKind } from './fault/fault.ts'

/** What a run is told, by flags and variables. */
export interface Settings {
  readonly seed: number
  readonly lastsMs: number
  readonly kinds: readonly FaultKind[]
  readonly faultsPerSecond: number
  readonly quickPerSecond: number
  readonly servers: number
  /** After so many milliseconds of silence a server is declared lost. */
  readonly lostAfterMs: number
  /** A file to which a line is added. */
  readonly csv: string | undefined
  /** A folder for the ledger and the logs of the servers. */
  readonly keep: string | undefined
  /** Whether the servers know both hosts and find the primary; else their network leads them to it. */
  readonly namesBothHosts: boolean
  /** Only print what would be done. */
  readonly onlySchedule: boolean
  /** Known limits count as violations. */
  readonly strict: boolean
}

/** The flags, with what they default to. */
const defaults = {
  seed: process.env['SEED'] ?? '',
  seconds: String(Number(process.env['MINUTES'] ?? 7.5) * 60),
  faults: process.env['FAULTS'] ?? '',
  'faults-per-second': '1.1',
  'quick-per-second': '130',
  servers: '5',
  'lost-after': '2500',
  csv: process.env['CSV'] ?? '',
  keep: '',
}

/** @throws {Error} for a flag that cannot be used */
export function readSettings(args: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(Object.keys(defaults).map(name => [name, { type: 'string' as const }])),
      schedule: { type: 'boolean' as const },
      strict: { type: 'boolean' as const },
      'one-host': { type: 'boolean' as const },
    },
  })
  const given: Record<string, string | boolean | undefined> = { ...defaults, ...values }
  const textOf = (name: keyof typeof defaults): string => String(given[name])
  const numberOf = (name: keyof typeof defaults): number => {
    const number = Number(textOf(name))
    if (!(number > 0))
      throw new Error(`expected --${name} to be a number above 0, got ${textOf(name)}`)
    return number
  }
  return {
    seed: textOf('seed') === '' ? drawSeed() : numberOf('seed'),
    lastsMs: numberOf('seconds') * 1000,
    kinds: chooseKinds(textOf('faults')),
    faultsPerSecond: numberOf('faults-per-second'),
    quickPerSecond: numberOf('quick-per-second'),
    servers: numberOf('servers'),
    lostAfterMs: numberOf('lost-after'),
    csv: textOf('csv') || undefined,
    keep: textOf('keep') || undefined,
    onlySchedule: given['schedule'] === true,
    strict: given['strict'] === true,
    namesBothHosts: given['one-host'] !== true,
  }
}

function drawSeed(): number {
  return 1 + (Math.floor(performance.timeOrigin) % 1_000_000)
}

function chooseKinds(faults: string): readonly FaultKind[] {
  if (faults === '') return faultKinds
  const names = faults.split(',').map(name => name.trim())
  const strange = names.find(name => !faultKinds.some(kind => kind.name === name))
  if (strange !== undefined)
    throw new Error(
      `expected faults to be some of ${faultKinds.map(({ name }) => name).join(', ')}, got ${strange}`,
    )
  return faultKinds.filter(({ name }) => names.includes(name))
}
