import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../lib/cluster.ts'
import { printableLine } from './printable.ts'

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
  const { stderr } = process
  if (!stderr.isTTY || !(stderr.columns > 0) || process.env['TERM'] === 'dumb') return work
  const end = new AbortController()
  const showing = showProgress(cluster, id, end.signal)
  try {
    return await work
  } finally {
    end.abort()
    await showing
    stderr.write(eraseLine)
  }
}

const eraseLine = '\r\u001b[K'

async function showProgress(cluster: Cluster, id: string, signal: AbortSignal): Promise<void> {
  const { stderr } = process
  while (!signal.aborted) {
    // The work itself fails loudly when the database is away.
    const record = await cluster.get(id).catch(() => undefined)
    if (record && !signal.aborted) {
      const step = record.steps.findLast(({ state }) => state === 'running')
      const line = `request ${id} ${record.state}${step ? `: ${printableLine(step.name)}` : ''}`
      stderr.write(eraseLine + line.slice(0, stderr.columns - 1))
    }
    await delay(pauseMs, undefined, { signal }).catch(() => undefined)
  }
}
