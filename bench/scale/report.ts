import { showFigure } from '../report/figure.ts'
import { tableOf } from '../report/markdown-table.ts'
import type { Costs, MeasuredCosts } from './costs.ts'
import { demandOf, type Fleet } from './fleet.ts'
import { simulateStarts } from './simulate.ts'

const cores = 16

/** Above this part of its cores a primary counts as one that cannot keep up. */
const fullAt = 0.9

const asByDefault = { cores, pollMs: 1000, pollJitter: 0.2, lostAfterMs: 5000, listen: true }
const patient = { ...asByDefault, lostAfterMs: 30_000 }
const calm = { ...patient, pollMs: 5000, listen: false }

const settings: readonly { name: string; options: Omit<Fleet, 'servers' | 'requestsPerSecond'> }[] =
  [
    { name: 'as by default', options: asByDefault },
    { name: 'lostAfter 30s', options: patient },
    { name: 'lostAfter 30s, listen false, pollInterval 5s', options: calm },
  ]

const sizes = [100, 1000, 10_000]
const rates = [1, 10, 100]

const markers = {
  begin: '<!-- tables: written by npm run scale -- --publish -->',
  end: '<!-- end of tables -->',
}

/** The tables of all fleets, as Markdown. */
export function writeTables({ processor, postgres, load, costs }: MeasuredCosts): string {
  return [
    `Costs measured on ${processor}, PostgreSQL ${postgres}, at a load of ${load}:`,
    writeCosts(costs),
    `What fleets ask of a primary with ${cores} cores, and how long a request then waits for its start:`,
    ...settings.flatMap(({ name, options }) => [`**${name}**`, writeFleets(options, costs)]),
    'Connections, and the memory that they take beside what they share:',
    writeConnections(costs),
  ].join('\n\n')
}

/**
 * The page with the tables between its markers.
 * @throws {Error} when the page lacks a marker
 */
export function insertTables(page: string, tables: string): string {
  const begin = page.indexOf(markers.begin)
  const end = page.indexOf(markers.end)
  if (begin < 0 || end < begin)
    throw new Error(`expected the page to hold ${markers.begin} and, after it, ${markers.end}`)
  return `${page.slice(0, begin)}${markers.begin}\n\n${tables}\n\n${page.slice(end)}`
}

function writeCosts(costs: Costs): string {
  const names: Record<keyof Costs, string> = {
    pulseMs: 'a pulse',
    watchMs: 'a pulse that looks at the other servers',
    watchPerServerMs: 'and more for each of them',
    emptyClaimMs: 'a claim that finds nothing',
    singleRunMs: 'claim and finish of one request',
    batchedRunMs: 'the same for one request of 500 together',
    enqueueMs: 'an enqueue',
    hintMs: 'a hint',
    hintPerListenerMs: 'and more for each server that listens',
    sessionMiB: 'a session',
  }
  return tableOf(
    ['', 'processor time in ms, memory in MiB'],
    (Object.keys(names) as (keyof Costs)[]).map(name => [names[name], showFigure(costs[name])]),
  )
}

function writeFleets(options: Omit<Fleet, 'servers' | 'requestsPerSecond'>, costs: Costs): string {
  const fleets = sizes.flatMap(servers =>
    rates.map((requestsPerSecond): Fleet => ({ ...options, servers, requestsPerSecond })),
  )
  return tableOf(
    [
      'servers',
      'requests/s',
      'pulses/s',
      'claims/s',
      'cores for pulses (of them to watch the others)',
      'for hints and empty claims',
      'for requests',
      'all, of 16',
      'start p50, p99 in ms',
    ],
    fleets.map(fleet => writeFleet(fleet, costs)),
  )
}

function writeFleet(fleet: Fleet, costs: Costs): string[] {
  const demand = demandOf(fleet, costs)
  const keepsUp = demand.sum < fullAt * fleet.cores
  const start = keepsUp ? simulateStarts(fleet, costs) : undefined
  return [
    showFigure(fleet.servers),
    showFigure(fleet.requestsPerSecond),
    showFigure(demand.pulsesPerSecond),
    showFigure(demand.claimsPerSecond),
    `${showFigure(demand.pulses)} (${showFigure(demand.watching)})`,
    showFigure(demand.wakes),
    showFigure(demand.runs),
    showFigure(demand.sum),
    start ? `${showFigure(start.p50)}, ${showFigure(start.p99)}` : '**cannot keep up**',
  ]
}

function writeConnections(costs: Costs): string {
  return tableOf(
    ['servers', 'when calm', 'at the most', 'memory when calm (GiB)', 'at the most (GiB)'],
    sizes.map(servers => {
      const { connections, memoryGiB } = demandOf(
        { ...asByDefault, servers, requestsPerSecond: 0 },
        costs,
      )
      const figures = [connections.calm, connections.most, memoryGiB.calm, memoryGiB.most]
      return [servers, ...figures].map(showFigure)
    }),
  )
}
