import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { Cluster } from '../../lib/index.ts'
import { countIn, describe, takePicture, type Picture } from './picture.ts'
import { planGreetings, planRequests, type PlannedRequest } from './plan.ts'
import { inspectDeployment, readLedger, type Deployed } from './remains.ts'
import { showLost, showRemains, showServers, showUndone } from './report.ts'
import type { Screen } from './screen.ts'
import { drain, type DemoServer } from './servers.ts'
import { findBrokenPromises, type Facts } from './verdict.ts'

/** Who and what is on the stage. */
export interface Stage {
  readonly screen: Screen
  readonly cluster: Cluster
  readonly pool: Pool
  readonly servers: readonly DemoServer[]
  /** Where deployments go. */
  readonly folder: string
  readonly ledger: string
  /** Aborted when the demo is to end early. */
  readonly signal: AbortSignal
}

/** Tells the whole story. @returns what did not come out as promised, in sentences */
export async function tellStory(stage: Stage): Promise<string[]> {
  const { screen, servers, cluster } = stage
  screen.title('Three servers join')
  await watch(stage, ({ nodes }) => nodes.length === servers.length)

  screen.title('Work comes in')
  const planned = await enqueue(stage, planRequests(stage.folder))
  const isBusy = (picture: Picture) => countIn(picture, 'finished') >= 8 && findVictim(picture)
  const victim = findVictim(await watch(stage, isBusy))
  const killed = servers.find(server => server.node === victim)
  if (!killed) throw new Error('no server runs two requests at the same time')

  const killedAt = await kill(stage, killed)
  const late = await enqueue(stage, planGreetings(['Kim', 'Lea', 'Max', 'Nia', 'Oli']))
  for (const [id, request] of late) planned.set(id, request)
  const finished = await watch(
    stage,
    picture =>
      countIn(picture, 'finished') === planned.size &&
      picture.compensations.every(({ state }) => state === 'finished'),
  )
  showLost(screen, finished, { node: killed.node, killedAt, late: [...late.keys()] })
  await showUndone(screen, cluster, finished)

  screen.title('The other servers drain and leave')
  const exitCodes = await drain(servers.filter(server => server !== killed))
  const picture = await takePicture(cluster)
  showServers(screen, picture)
  const facts = await gatherFacts(stage, { planned, picture, killed: killed.node, exitCodes })
  showRemains(screen, facts)
  return findBrokenPromises(facts)
}

async function enqueue(
  { cluster, screen }: Stage,
  planned: readonly PlannedRequest[],
): Promise<Map<string, PlannedRequest>> {
  const requests = planned.map(({ process, input }) => ({ process, input }))
  const enqueued = await cluster.enqueueMany(requests)
  const kinds = Map.groupBy(planned, ({ process }) => process)
  const counts = Array.from(kinds, ([process, { length }]) => `${length} ${process}`)
  screen.say(`  enqueued ${planned.length} requests: ${counts.join(', ')}`)
  return new Map(enqueued.map(({ id }, index) => [id, planned[index] as PlannedRequest]))
}

/** Shows the progress until the condition is met. */
async function watch(
  { cluster, screen, signal }: Stage,
  isOver: (picture: Picture) => unknown,
): Promise<Picture> {
  for (;;) {
    const picture = await takePicture(cluster)
    screen.progress(describe(picture, performance.now() / 1000))
    if (isOver(picture)) return picture
    await delay(screen.paceMs, undefined, { signal })
  }
}

/** The server that runs most, if it runs at least two requests and one of them is a deployment. */
function findVictim({ nodes, requests }: Picture): string | undefined {
  const deploys = (node: string) =>
    requests.some(r => r.node === node && r.state === 'running' && r.process === 'deploy')
  return nodes
    .filter(({ node, running }) => running >= 2 && deploys(node))
    .toSorted((a, b) => b.running - a.running)[0]?.node
}

/** @returns when it was killed, by the clock of the database, which the rows tell too */
async function kill({ screen, cluster, pool }: Stage, server: DemoServer): Promise<Date> {
  const running = await cluster.list({ node: server.node, state: 'running' })
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now')
  server.send('SIGKILL')
  await server.ended
  const about = running.map(({ id, process }) => `${id} (${process})`)
  screen.title(`kill -9 ${server.pid}: ${server.node}, while it runs ${about.join(', ')}`)
  return rows[0]?.now as Date
}

async function gatherFacts(
  { ledger }: Stage,
  known: Pick<Facts, 'planned' | 'picture' | 'killed' | 'exitCodes'>,
): Promise<Facts> {
  const deployed = new Map<string, Deployed>()
  for (const [id, { target }] of known.planned)
    if (target !== undefined) deployed.set(id, await inspectDeployment(target))
  return { ...known, deployed, ledger: await readLedger(ledger) }
}
