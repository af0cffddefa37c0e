import type { Cluster } from '../../lib/index.ts'
import type { Picture } from './picture.ts'
import type { Screen } from './screen.ts'
import { wasLost, type Facts } from './verdict.ts'

/** What became of the requests of the server that was killed, and of all others after that. */
export function showLost(
  screen: Screen,
  { requests, compensations }: Picture,
  loss: { node: string; killedAt: Date; late: readonly string[] },
): void {
  const since = (moment: Date | null) => Number(moment) - Number(loss.killedAt)
  const lost = requests.filter(({ reason }) => reason === 'server_lost')
  screen.title(`What became of the requests of ${loss.node}`)
  screen.table(
    lost.map(({ id, process, outcome, reason, finishedAt }) => [
      `request ${id}`,
      process,
      `${outcome} (${reason})`,
      since(finishedAt),
      'ms after the kill',
      undoneBy(compensations, id),
    ]),
  )
  const others = requests.filter(r => r.node !== loss.node && since(r.finishedAt) > 0)
  const late = others.filter(({ id }) => loss.late.includes(id))
  screen.say(
    `  The others finished ${others.length} requests after the kill, ${late.length} of which were enqueued after it.`,
  )
}

function undoneBy(compensations: Picture['compensations'], lost: string): string {
  const compensation = compensations.find(({ compensates }) => compensates === lost)
  return compensation ? `undone by request ${compensation.id}: ${compensation.outcome}` : ''
}

/** The steps of the failed deployment that had most to undo. */
export async function showUndone(
  screen: Screen,
  cluster: Cluster,
  { requests }: Picture,
): Promise<void> {
  const failed = requests.filter(({ reason }) => reason === 'step_failed')
  const records = await Promise.all(failed.map(({ id }) => cluster.get(id)))
  const [longest] = records.toSorted((a, b) => b.steps.length - a.steps.length)
  if (!longest) return
  screen.title(`What request ${longest.id} did before and after a step failed`)
  const told = { step: '', undo: 'undo', on_failure: 'on failure' }
  screen.table(
    longest.steps.map(({ phase, name, state, error }) => [
      told[phase],
      name,
      error ? `${state}: ${error.message}` : state,
    ]),
  )
}

export function showServers(screen: Screen, { nodes }: Picture): void {
  screen.table([
    ['server', 'state', 'claimed', 'succeeded', 'failed', 'cancelled'],
    ...nodes.map(({ node, state, claimed, succeeded, failed, cancelled }) => [
      node,
      state,
      claimed,
      succeeded,
      failed,
      cancelled,
    ]),
  ])
}

/** What deployments left on the disk, and what the ledger says. */
export function showRemains(screen: Screen, facts: Facts): void {
  const endingOf = (id: string) => (wasLost(facts, id) ? 'lost' : facts.planned.get(id)?.ending)
  const byEnding = Map.groupBy(facts.deployed, ([id]) => endingOf(id))
  const remainsOf = (ending: 'succeeded' | 'failed' | 'lost') =>
    (byEnding.get(ending) ?? []).map(([, remains]) => remains)
  const succeeded = remainsOf('succeeded')
  const failed = remainsOf('failed')
  const lost = remainsOf('lost')
  const notifications = failed.flatMap(remains => remains.notifications)
  const starts = [...facts.ledger.values()]

  screen.title('What is on the disk')
  const there = succeeded.filter(({ version }) => version).length
  const left = failed.filter(({ exists }) => exists).length
  const leftByLost = lost.filter(({ exists }) => exists).length
  const twice = starts.filter(({ length }) => length > 1).length
  screen.table([
    [succeeded.length, 'deployments succeeded', there, 'are there'],
    [failed.length, 'failed and were undone', left, 'left anything'],
    ['', '', notifications.length, 'left a notification'],
    [lost.length, 'lost their server', leftByLost, 'left something'],
    [starts.length, 'requests were started', twice, 'more than once'],
  ])
}
