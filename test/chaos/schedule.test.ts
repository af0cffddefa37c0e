import t from 'tap'
import { planChaos } from './chaos.ts'
import { faultKinds } from './fault/list.ts'
import { describePlanned } from './schedule.ts'

const options = { kinds: faultKinds, servers: 5, lastsMs: 450_000, faultsPerSecond: 1.1 }

function plan(seed: number): string[] {
  return planChaos({ ...options, seed }).map(describePlanned)
}

t.test('a seed gives one schedule, another seed another one', async t => {
  t.strictSame(plan(1), plan(1))
  t.notSame(plan(1), plan(2))
})

t.test('a whole run has more than 400 faults, of every kind', async t => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const planned = planChaos({ ...options, seed })
    t.ok(planned.length > 430, `${planned.length} faults`)
    t.strictSame(
      new Set(planned.map(({ kind }) => kind)),
      new Set(faultKinds.map(kind => kind.name)),
    )
  }
})

t.test('one server suffers one fault at a time, and so does the database', async t => {
  const planned = planChaos({ ...options, seed: 3 })
  for (const [index, { on, member, atMs, fault }] of planned.entries()) {
    if (on === 'anything') continue
    const next = planned
      .slice(index + 1)
      .find(later => later.on === on && (on === 'database' || later.member === member))
    if (next && next.atMs < Math.floor(atMs + fault.lastsMs + fault.restMs))
      t.fail(`${describePlanned(next)} comes too early`)
  }
})
