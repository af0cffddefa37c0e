import type { Invariant } from './invariant.ts'

export const everythingHappened: Invariant = {
  name: 'what must happen sometimes has happened',
  find: ({ happened, wantedProbes }) =>
    wantedProbes.filter(name => !happened.has(name)).map(name => `it never happened that: ${name}`),
}
