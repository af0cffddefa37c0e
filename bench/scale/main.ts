import { readFile, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { Arena } from '../arena.ts'
import { describeMachine } from '../machine.ts'
import type { MeasuredCosts } from './costs.ts'
import { measureCosts } from './measure-costs.ts'
import { insertTables, writeTables } from './report.ts'

// npm run scale                 simulates large fleets with the costs in costs.json
// npm run scale -- --measure    measures the costs on this machine before, and keeps them
// npm run scale -- --publish    also writes the tables into docs/scaling.md

const costsFile = new URL('costs.json', import.meta.url)
const page = new URL('../../docs/scaling.md', import.meta.url)
const words = process.argv.slice(2)
const unknown = words.find(word => word !== '--measure' && word !== '--publish')
if (unknown !== undefined) throw new Error(`expected --measure or --publish, got ${unknown}`)

if (words.includes('--measure')) await keepCosts()
const measured = JSON.parse(await readFile(costsFile, 'utf8')) as MeasuredCosts
const tables = writeTables(measured)
console.log(tables)
if (words.includes('--publish'))
  await writeFile(page, insertTables(await readFile(page, 'utf8'), tables))

async function keepCosts(): Promise<void> {
  const load = Math.round((loadavg()[0] ?? 0) * 10) / 10
  const arena = await Arena.open(process.env['DATABASE_URL'])
  // PostgreSQL would go on without us.
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void arena.close().finally(() => process.exit(1)))
  try {
    const costs = await measureCosts(arena)
    const { processor } = describeMachine()
    const { version: postgres } = await arena.describe()
    const measured: MeasuredCosts = { processor, postgres, load, costs }
    await writeFile(costsFile, `${JSON.stringify(measured, null, 2)}\n`)
  } finally {
    await arena.close()
  }
}
