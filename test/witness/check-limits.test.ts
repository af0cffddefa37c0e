import fc from 'fast-check'
import t from 'tap'
import { completeOptions } from '../../lib/options.ts'
import { checkLimits } from '../../lib/witness/check-limits.ts'
import { limitsOf } from '../../lib/witness/limits.ts'

const heartbeatMs = 100

t.test(
  'each profile, and all that is longer than the shortest, leaves time to stop all work',
  t => {
    for (const profile of ['fast', 'default'] as const) {
      const lostAfterMs = completeOptions({ profile }).lostAfter
      t.doesNotThrow(
        () => checkLimits(lostAfterMs, limitsOf({ lostAfterMs, outageGraceMs: 0 })),
        profile,
      )
    }
    fc.assert(
      fc.property(fc.integer({ min: 2000, max: 3_600_000 }), lostAfterMs => {
        checkLimits(lostAfterMs, limitsOf({ lostAfterMs, outageGraceMs: 0 }))
      }),
    )
    t.end()
  },
)

t.test('what is too short is refused', t => {
  for (const lostAfterMs of [500, 1000, 1990])
    t.throws(() => checkLimits(lostAfterMs, limitsOf({ lostAfterMs, outageGraceMs: 0 })), {
      code: 'CW_OPTION',
      field: 'lostAfter',
      message: /400 ms .* give it 2s or more/,
    })
  t.end()
})

t.test('limits in another order are refused', t => {
  t.doesNotThrow(() => checkLimits(1000, { heartbeatMs, proveMs: 400, trustMs: 600 }))
  t.throws(() => checkLimits(1000, { heartbeatMs, proveMs: 400, trustMs: 601 }), /400 ms/)
  t.throws(() => checkLimits(1000, { heartbeatMs, proveMs: 600, trustMs: 600 }), /two heartbeats/)
  t.throws(() => checkLimits(1000, { heartbeatMs, proveMs: 199, trustMs: 600 }), /two heartbeats/)
  t.end()
})
