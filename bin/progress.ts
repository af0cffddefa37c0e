import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../lib/cluster.ts'
import { openStatusLine, type StatusLine } from './status-line.ts'

const pauseMs = 500

/**
 * Shows the state of a request and the step that runs, in one line that is overwritten, as long as
 * `work` takes. Shows nothing where stderr is not a terminal that can do that.
 */
export async function withProgress<Result>(
  cluster: Cluster,
  id: string,
  work: Promise<Result>,
): Promise<Result> {
  const line = openStatusLine()
  if (!line) return work
  const end = new AbortController()
  const showing = showProgress(cluster, id, line, end.signal)
  try {
    return await work
  } finally {
    end.abort()
    await showing
    line.end()
  }
}

async function showProgress(
  cluster: Cluster,
  id: string,
  line: StatusLine,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    // The work itself fails loudly when the database is away.
    const record = await cluster.get(id).catch(() => undefined)
    if (record && !signal.aborted) {
      const step = record.steps.findLast(({ state }) => state === 'running')
      line.show(`request ${id} ${record.state}${step ? `: ${step.name}` : ''}`)
    }
    await delay(pauseMs, undefined, { signal }).catch(() => undefined)
  }
}
