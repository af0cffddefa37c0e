import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { planChaos, runChaos, type ChaosResult } from './chaos.ts'
import { countViolations } from './check/check-all.ts'
import { findInside, runInside, type Inside } from './enclosure.ts'
import type { FaultKind } from './fault/fault.ts'
import { csvHeader, csvLine, describeResult } from './report.ts'
import { describePlanned } from './schedule.ts'
import { readSettings, type Settings } from './settings.ts'
import { wantedProbes } from './wanted-probes.ts'

// npm run chaos                 eight minutes of faults; SEED=n replays one
// npm run chaos -- --seconds 60 --csv runs.csv --keep folder --faults 'server killed,backends terminated'
// npm run chaos -- --schedule   only prints what would be done

/** A shorter run need not have seen everything, in milliseconds. */
const shortestWholeMs = 300_000

const args = process.argv.slice(2)
const settings = readSettings(args)
const inside = findInside()
if (settings.onlySchedule) printSchedule(settings)
else if (inside) await run(settings, inside)
else {
  const seeded = args.includes('--seed') ? args : [...args, '--seed', String(settings.seed)]
  process.exitCode = await runInside(fileURLToPath(import.meta.url), seeded, {
    ownNetwork: true,
  })
}

function printSchedule(settings: Settings): void {
  for (const planned of planChaos(settings)) console.log(describePlanned(planned))
}

async function run(settings: Settings, inside: Inside): Promise<void> {
  const { seed, lastsMs, kinds, csv, keep, strict } = settings
  const stopping = new AbortController()
  process.stdin.on('end', () => stopping.abort(new Error('stopped'))).resume()
  console.log(`seed ${seed}, ${Math.round(lastsMs / 1000)} s of faults`)
  const work = join(inside.folder, 'chaos')
  try {
    const missing = kinds.map(kind => ({ kind, lacks: findLacking(kind, inside) }))
    const possible = missing.flatMap(({ kind, lacks }) => (lacks === undefined ? [kind] : []))
    const isWhole = lastsMs >= shortestWholeMs && kinds.length > 1
    const result = await runChaos({
      ...settings,
      ...inside,
      folder: work,
      wantedProbes: isWhole ? wantedProbes(possible) : [],
      onLine: line => console.log(line),
      signal: stopping.signal,
    })
    for (const line of describeResult(result)) console.log(line)
    for (const { kind, lacks } of missing)
      if (lacks !== undefined) console.log(`left out: ${kind.name}, which needs ${lacks}`)
    if (csv) append(csv, settings, result)
    judge(settings, countViolations(strict ? hardened(result.verdicts) : result.verdicts))
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  } finally {
    if (keep) await cp(work, keep, { recursive: true, force: true })
    process.stdin.destroy()
  }
}

/** What a kind of fault needs and this machine does not have, in words. */
function findLacking(kind: FaultKind, { canMount, canWire }: Inside): string | undefined {
  if (kind.needsSmallDisks && !canMount) return 'root, for disks of its own'
  if (kind.needsCables && !canWire) return 'root and the program ip, for networks of its own'
  return undefined
}

function judge({ seed, lastsMs }: Settings, violations: number): void {
  if (violations === 0) {
    console.log(`seed ${seed}: all that must hold, holds`)
    return
  }
  console.log(
    `seed ${seed}: BROKEN (${violations}). Replay it: npm run chaos -- --seed ${seed} --seconds ${lastsMs / 1000}`,
  )
  process.exitCode = 1
}

function hardened(verdicts: ChaosResult['verdicts']): ChaosResult['verdicts'] {
  return verdicts.map(verdict => ({ ...verdict, isKnownLimit: false }))
}

function append(file: string, { seed, lastsMs }: Settings, result: ChaosResult): void {
  const commit = findCommit()
  if (!existsSync(file)) appendFileSync(file, `${csvHeader}\n`)
  appendFileSync(file, `${csvLine({ seed, commit, seconds: lastsMs / 1000 }, result)}\n`)
}

function findCommit(): string {
  try {
    const words = ['rev-parse', '--short', 'HEAD']
    return execFileSync('git', words, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    // No clone, or no git.
    return ''
  }
}
