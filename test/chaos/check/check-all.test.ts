import t from 'tap'
import { checkAll, countViolations, invariants } from './check-all.ts'
import { healthy } from './healthy.ts'

import { alive, planted } from './planted.ts'

t.test('a run in which nothing is wrong', async t => {
  t.strictSame(
    checkAll(healthy()).filter(({ violations }) => violations.length > 0),
    [],
  )
})

for (const [invariant, what, evidence, sentence] of planted)
  t.test(`${invariant.name}: ${what}`, async t => {
    const found = invariant.find(healthy(evidence))
    t.match(found, [sentence])
    t.equal(found.length, 1)
  })

t.test('each invariant has a violation that trips it', async t => {
  t.strictSame(
    invariants.filter(one => !planted.some(([invariant]) => invariant === one)),
    [],
  )
})

t.test('a known limit is told and does not count', async t => {
  const losses = [{ node: 's2', requestIds: ['3'], alive, isUnguarded: true }]
  const verdicts = checkAll(healthy({ losses }))
  t.equal(verdicts.flatMap(({ violations }) => violations).length, 1)
  t.equal(countViolations(verdicts), 0)
  const broken = checkAll(healthy({ losses: losses.map(one => ({ ...one, isUnguarded: false })) }))
  t.equal(countViolations(broken), 1)
})
