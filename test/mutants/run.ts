import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findInside, isPrivileged, runInside } from '../chaos/enclosure.ts'
import { judge, type Verdict } from './judge.ts'
import { mutants } from './list.ts'
import type { Mutant } from './mutant.ts'
import type { TapRun } from './run-tap.ts'
import { openWorksite, type Worksite } from './worksite.ts'

// npm run mutants                                     plants each mistake of the list, and runs the test that must see it
// npm run mutants -- --only NAME [--only NAME…]       some of them, with what their tests say
// npm run mutants -- --list                           tells which there are

const { values: options } = parseArgs({
  options: { only: { type: 'string', multiple: true }, list: { type: 'boolean' } },
})
const chosen = mutants.filter(({ name }) => options.only?.includes(name) ?? true)
const inside = findInside()
const project = fileURLToPath(new URL('../..', import.meta.url))

if (chosen.length < (options.only?.length ?? 1)) fail('there is no such mutant; --list names them')
else if (options.list) for (const mutant of mutants) describe(mutant)
else if (inside) await run(inside.folder)
else process.exitCode = await runInside(fileURLToPath(import.meta.url), process.argv.slice(2))

async function run(folder: string): Promise<void> {
  // We end when whoever started us does.
  process.stdin.on('end', () => process.exit(1)).resume()
  const sites = await Promise.all(
    ['one', 'two'].map(name => openWorksite(project, join(folder, name))),
  )
  try {
    const seconds = await measureTests(sites)
    const survivors = await tryAll(sites, seconds)
    if (survivors === 0) print(`all ${chosen.length} are caught`)
    else fail(`${survivors} are not caught`)
  } catch (error) {
    fail(String(error))
  } finally {
    for (const site of sites) await site.close()
    process.stdin.destroy()
  }
}

/**
 * Each test must pass while no mutant is planted.
 * @returns how long the tests of each file took
 */
async function measureTests(sites: readonly Worksite[]): Promise<Map<string, number>> {
  const seconds = new Map<string, number>()
  const byFile = Map.groupBy(chosen, ({ test }) => test)
  await share([...byFile], sites, async ([test, its], site) => {
    const result = await site.run(test, [...new Set(its.map(({ subtest }) => subtest))])
    if (!result.isGood) throw new Error(`${test} fails as the code is:\n${result.output}`)
    seconds.set(test, result.seconds)
  })
  return seconds
}

/** Waits a multiple of what the test takes, because many mistakes show themselves as waiting for ever. */
async function tryAll(
  sites: readonly Worksite[],
  seconds: ReadonlyMap<string, number>,
): Promise<number> {
  // Some kill what they find: only where they find nothing else.
  const safe = chosen.filter(({ file }) => isPrivileged() || !file.startsWith('lib/guardian/'))
  if (safe.length < chosen.length) print('those of the guardian are left out: they need root')
  let survivors = 0
  await share(safe, sites, async (mutant, site) => {
    const result = await site.try(mutant, Math.ceil(5 + 2 * (seconds.get(mutant.test) ?? 0)))
    const verdict = judge(mutant, result)
    report(mutant, verdict, result)
    if (verdict !== 'caught') survivors++
  })
  return survivors
}

/** All sites work at the items, each at the next one when it has done with one. */
async function share<Item>(
  items: readonly Item[],
  sites: readonly Worksite[],
  work: (item: Item, site: Worksite) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  await Promise.all(
    sites.map(async site => {
      for (const item of rest) await work(item, site)
    }),
  )
}

function report({ name, test, subtest }: Mutant, verdict: Verdict, result: TapRun): void {
  const seconds = result.seconds.toFixed(1).padStart(5)
  print(`${verdict.padEnd(8)} ${name.padEnd(36)} ${seconds} s  ${test}: ${subtest}`)
  if (verdict === 'broken' || options.only) print(result.output)
}

function describe({ name, story, seen, file, test, subtest }: Mutant): void {
  print(`${name}\n  ${story}\n  seen in ${seen.join(', ')}\n  ${file}\n  ${test}: ${subtest}`)
}

function fail(message: string): void {
  console.error(message)
  process.exitCode = 1
}

function print(line: string): void {
  console.log(line)
}
