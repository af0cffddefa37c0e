import type { FalseDeath } from '../evidence.ts'
import type { Invariant } from './invariant.ts'

export const ownedByTheLiving: Invariant = {
  name: 'what runs has a live server, or is younger than the bound',
  find({ overdue }) {
    const longest = new Map<string, number>()
    for (const { incarnation, forMs } of overdue)
      longest.set(incarnation, Math.max(forMs, longest.get(incarnation) ?? 0))
    return [...longest].map(
      ([incarnation, forMs]) =>
        `incarnation ${incarnation} kept running rows for ${forMs} ms without proof of its life`,
    )
  },
}

export const onlyTheDeadAreLost: Invariant = {
  name: 'no healthy server is lost',
  find: ({ falseDeaths }) => falseDeaths.filter(({ isStarved }) => !isStarved).map(describe),
}

/** A machine that stops its programs for longer than they may be silent: nobody can tell them from dead ones. */
export const onlyTheStarvedAreLost: Invariant = {
  name: 'the same, while the machine had no time for its programs',
  isKnownLimit: true,
  find: ({ falseDeaths }) => falseDeaths.filter(({ isStarved }) => isStarved).map(describe),
}

function describe({ node, incarnation, why }: FalseDeath): string {
  return `${node} (incarnation ${incarnation}) ended though nothing was done to it: ${why}`
}
