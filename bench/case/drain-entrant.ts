import type { Entrant } from '../case.ts'
import { contenders, type ContenderName } from '../contenders.ts'
import { drain, type DrainOptions } from '../drain.ts'
import { amountOf, type Plan } from '../plan.ts'

/** Jobs a second, all that a drain gives. */
export const rateMetric = { name: 'rate', unit: '/s', better: 'more' } as const

/** One whose rate is measured in draining so many jobs. */
export function drainEntrant(
  contender: ContenderName,
  fullAmount: number,
  { name = contender, ...options }: Omit<DrainOptions, 'jobs'> & { name?: string } = {},
): Entrant {
  const { isPeer, share } = contenders[contender]
  return {
    name,
    contender,
    isPeer,
    measure: (arena, plan: Plan) =>
      arena.inDatabase(contender, async place => {
        const jobs = amountOf(plan, fullAmount, share)
        const { rate } = await drain(place, { ...options, jobs })
        return { rate }
      }),
  }
}
