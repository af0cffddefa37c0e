import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Contender } from './contender.ts'

/** What is known of a contender before it is loaded. */
export interface Entry {
  readonly file: string
  /** A library that people would use in place of ours. */
  readonly isPeer: boolean
  /** The part of a case's amount that it gets: the slow ones would need an hour for all of it. */
  readonly share: number
  /** Whether it needs what `npm ci --prefix bench` installs. */
  readonly isInstalled: boolean
  /** A program that must be on the PATH. */
  readonly program?: string
}

/** Everybody who takes part, by the name that `--against` takes. */
export const contenders = {
  'cluster-worker': entry('cluster-worker.ts', 'own'),
  bare: entry('bare.ts', 'own'),
  'graphile-worker': entry('graphile-worker.ts', 'peer'),
  'pg-boss': entry('pg-boss.ts', 'peer'),
  'pg-boss-work': entry('pg-boss-work.ts', 'peer', 0.25),
  dbos: entry('dbos.ts', 'peer', 0.02),
  // It stands on another database, and is compared by itself.
  bullmq: { ...entry('bullmq.ts', 'peer', 0.1), isPeer: false, program: 'redis-server' },
} satisfies Record<string, Entry>

export type ContenderName = keyof typeof contenders

/** @throws {Error} when the name is none */
export async function loadContender(name: string): Promise<Contender> {
  if (!isContender(name)) throw new Error(`there is no contender named ${name}`)
  const module: { contender: Contender } = await import(`./contender/${contenders[name].file}`)
  return module.contender
}

export function isContender(name: string): name is ContenderName {
  return Object.hasOwn(contenders, name)
}

/** Whether what the contender needs of this machine is there. */
export function isAvailable(name: ContenderName): boolean {
  const { program }: Entry = contenders[name]
  return program === undefined || hasProgram(program)
}

export function hasProgram(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The version of a package of this folder. */
export function installedVersion(name: string): string {
  const manifest = new URL(`node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

function entry(file: string, whose: 'own' | 'peer', share = 1): Entry {
  return { file, isPeer: whose === 'peer', share, isInstalled: whose === 'peer' }
}
