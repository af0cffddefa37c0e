import { join } from 'node:path'

/** A request of the demo, and how it is to end unless its server is lost. */
export interface PlannedRequest {
  readonly process: 'deploy' | 'hello' | 'nightly-report'
  readonly input: { readonly [name: string]: string | number }
  readonly ending: 'succeeded' | 'failed'
  /** The folder that a deployment deploys to. */
  readonly target?: string
}

/** Steps of the process `deploy` that a deployment can be told to fail at. */
const failures = ['build', 'unpack', 'switch', 'check health', 'check health', 'unpack']

/** About forty requests of all kinds, mixed. */
export function planRequests(folder: string): PlannedRequest[] {
  const kinds = [
    times(14, n => deployment(folder, `shop-${n}`)),
    failures.map((failAt, n) => deployment(folder, `unlucky-${n + 1}`, failAt)),
    planGreetings(['Ada', 'Ben', 'Cleo', 'Dan', 'Eve', 'Finn', 'Gus', 'Hal', 'Ida', 'Jo']),
    times(10, n => report(folder, `day-${n}`)),
  ]
  return kinds
    .flatMap(kind => kind.map((request, index) => ({ request, place: index / kind.length })))
    .toSorted((a, b) => a.place - b.place)
    .map(({ request }) => request)
}

export function planGreetings(names: readonly string[]): PlannedRequest[] {
  return names.map(name => ({ process: 'hello', input: { name }, ending: 'succeeded' }))
}

function deployment(folder: string, shop: string, failAt?: string): PlannedRequest {
  const target = join(folder, 'shops', shop)
  const input = { version: '2.0.0', target, ...(failAt !== undefined && { failAt }) }
  return { process: 'deploy', input, ending: failAt === undefined ? 'succeeded' : 'failed', target }
}

function report(folder: string, day: string): PlannedRequest {
  const input = { folder: join(folder, 'reports'), day, visits: 20_000 }
  return { process: 'nightly-report', input, ending: 'succeeded' }
}

function times<Value>(count: number, make: (n: number) => Value): Value[] {
  return Array.from({ length: count }, (_, index) => make(index + 1))
}
