import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { requests } from './pairs/acts.ts'
import { root, tryPairs } from './pairs/try-pairs.ts'

/** Their statements are part of other acts, or have tests of their own. */
const parts = ['compensations.ts', 'large-objects.ts', 'lock-node.ts', 'settings.ts', 'standby.ts']

t.test('each file of lib/db that changes rows is tried', async t => {
  for (const [folder, file] of [
    ['lib/db', 'acts.ts'],
    ['lib/db/component', 'component-acts.ts'],
  ] as const) {
    const tried = await readFile(join(root, 'test/db/pairs', file), 'utf8')
    for (const name of await readdir(join(root, folder))) {
      if (!name.endsWith('.ts') || parts.includes(name) || name === 'migrate.ts') continue
      const text = await readFile(join(root, folder, name), 'utf8')
      if (/\b(insert into|update|delete from) \$\{/.test(text))
        t.match(tried, `/${folder}/${name}'`, name)
    }
  }
})

t.test('any two statements leave what they leave one after the other', t =>
  tryPairs(t, requests, { heading: '## Two statements on one row' }),
)
