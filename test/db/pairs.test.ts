import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { openRooms } from '../support/rows.ts'
import { acts } from './pairs/acts.ts'
import { PairTrial } from './pairs/trial.ts'
import { readPairs } from './pairs/read-pairs.ts'

const root = resolve(import.meta.dirname, '../..')

/** How many databases are used at the same time. */
const lanes = 3

/** Their statements are part of other acts, or have tests of their own, as all in lib/db/component/ have. */
const parts = ['compensations.ts', 'large-objects.ts', 'lock-node.ts', 'settings.ts', 'standby.ts']

t.test('each file of lib/db that changes rows is tried', async t => {
  const tried = await readFile(join(root, 'test/db/pairs/acts.ts'), 'utf8')
  const folder = join(root, 'lib/db')
  for (const file of await readdir(folder)) {
    if (!file.endsWith('.ts') || parts.includes(file) || file === 'migrate.ts') continue
    const text = await readFile(join(folder, file), 'utf8')
    if (/\b(insert into|update|delete from) \$\{/.test(text))
      t.match(tried, `/lib/db/${file}'`, file)
  }
})

t.test('any two statements leave what they leave one after the other', async t => {
  const pairs = await readPairs(join(root, 'docs/architecture.md'))
  const names = Object.keys(acts)
  t.same(
    [...new Set([...pairs.keys()].flatMap(pair => pair.split(' × ')))].toSorted(),
    names.toSorted(),
  )
  const waiting = names.flatMap(first => names.map(second => ({ first, second })))
  const problems: string[] = []
  let races = 0
  const work = async (): Promise<void> => {
    const { db, connect } = await openRooms(t)
    const trial = new PairTrial({
      db,
      first: await connect(),
      second: await connect(),
      observer: await connect(),
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
  t.comment(`${names.length ** 2} pairs, ${races} races`)
})
