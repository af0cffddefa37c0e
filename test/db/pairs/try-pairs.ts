import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { openRooms } from '../../support/rows.ts'
import { readPairs } from './read-pairs.ts'
import type { Scene } from './scene.ts'
import { PairTrial } from './trial.ts'

export const root = resolve(import.meta.dirname, '../../..')

/** How many databases are used at the same time. */
const lanes = 3

/**
 * Tries each pair of a scene's acts, and compares what they do with the documentation's table.
 * @param heading above the table
 * @param isLeftOut pairs that are tried elsewhere
 */
export async function tryPairs<Fixture extends string>(
  t: Test,
  scene: Scene<Fixture>,
  {
    heading,
    isLeftOut = () => false,
  }: { heading: string; isLeftOut?: (first: string, second: string) => boolean },
): Promise<void> {
  const pairs = await readPairs(join(root, 'docs/architecture.md'), heading)
  const names = Object.keys(scene.acts)
  t.same(
    [...new Set([...pairs.keys()].flatMap(pair => pair.split(' × ')))].toSorted(),
    names.toSorted(),
  )
  const waiting = names
    .flatMap(first => names.map(second => ({ first, second })))
    .filter(({ first, second }) => !isLeftOut(first, second))
  const count = waiting.length
  const problems: string[] = []
  let races = 0
  const work = async (): Promise<void> => {
    const { db, connect } = await openRooms(t)
    const trial = new PairTrial({
      db,
      first: await connect(),
      second: await connect(),
      observer: await connect(),
      scene,
    })
    for (let pair = waiting.shift(); pair; pair = waiting.shift()) {
      const name = `${pair.first} × ${pair.second}`
      for (const problem of await trial.examine(pair, pairs.get(name)))
        problems.push(`${name}: ${problem}`)
    }
    races += trial.races
  }
  await Promise.all(Array.from({ length: lanes }, work))
  t.same(problems, [])
  t.comment(`${count} pairs, ${races} races`)
}
