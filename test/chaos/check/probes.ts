import type { Invariant } from './invariant.ts'

export const everythingHappened: Invariant = {
  name: 'what must happen sometimes has happened',
  find: ({ probes, wantedProbes }) =>
    wantedProbes.filter(name => !probes.has(name)).map(name => `it never happened that: ${name}`),
}
