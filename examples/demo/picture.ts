import type { Cluster, NodeStatus, RequestState, RequestSummary } from '../../lib/index.ts'
import { alignColumns } from './screen.ts'

/** What the database says at one moment. */
export interface Picture {
  readonly nodes: readonly NodeStatus[]
  /** What was asked for. */
  readonly requests: readonly RequestSummary[]
  /** What undoes the requests that were lost. */
  readonly compensations: readonly RequestSummary[]
}

export async function takePicture(cluster: Cluster): Promise<Picture> {
  const [nodes, all] = await Promise.all([cluster.nodes(), cluster.list({ limit: 1000 })])
  return {
    nodes,
    requests: all.filter(({ compensates }) => compensates === null),
    compensations: all.filter(({ compensates }) => compensates !== null),
  }
}

export function countIn({ requests }: Picture, state: RequestState): number {
  return requests.filter(request => request.state === state).length
}

/** The picture as one line for the requests and one for each server. */
export function describe(picture: Picture, seconds: number): string[] {
  const [queued, running, finished] = (['queued', 'running', 'finished'] as const).map(state =>
    countIn(picture, state),
  )
  const servers = picture.nodes.map(({ node, state, running: here, claimed }) => [
    node,
    state,
    'running',
    here,
    'claimed',
    claimed,
  ])
  return [
    `  ${seconds.toFixed(1).padStart(5)} s  queued ${queued}, running ${running}, finished ${finished}`,
    ...alignColumns(servers),
  ]
}
