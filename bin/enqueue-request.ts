import type { Cluster } from '../lib/cluster.ts'
import { Database } from '../lib/db/database.ts'
import { listPublishedNames } from '../lib/db/definitions.ts'
import type { Enqueued } from '../lib/db/requests.ts'
import type { RequestRecord } from '../lib/db/status.ts'
import type { EnqueueOptions } from '../lib/enqueue.ts'
import { nearestName } from '../lib/base/nearest-name.ts'
import { ClusterError } from '../lib/errors.ts'
import type { FlagValues } from './define-command.ts'
import { outcomeOf } from './describe-request.ts'
import { exitCode, type ExitCode } from './exit-code.ts'
import { showTook } from './moment.ts'
import { print, printJson, talk } from './output.ts'
import { printLogLines } from './print-log.ts'
import { withProgress } from './progress.ts'
import { readInput } from './read-input.ts'
import { requireDatabase, type Settings } from './settings.ts'
import { withCluster } from './with-cluster.ts'

export interface EnqueueOrder {
  readonly process: string
  /** JSON, or the file that holds it. */
  readonly input: string | undefined
  readonly inputFile: string | undefined
  readonly options: EnqueueOptions
  readonly wait: boolean
  /** Prints the log while waiting. */
  readonly follow: boolean
  readonly timeoutMs: number | undefined
  readonly json: boolean
}

/**
 * Enqueues one request, prints what was ordered, and waits if that was ordered.
 * @returns whether it was enqueued, or, after waiting, whether it succeeded
 */
export async function enqueueRequest(given: FlagValues, order: EnqueueOrder): Promise<ExitCode> {
  const input = await readInput(order)
  return withCluster(given, async (cluster, settings) => {
    const { id, created } = await enqueue(cluster, order, input, settings)
    if (!order.json) await print(id)
    else if (!order.wait) await printJson({ id, created })
    if (!created) talk(`request ${id} has this key and was enqueued before`)
    return order.wait ? waitFor(cluster, id, order) : exitCode.ok
  })
}

async function waitFor(cluster: Cluster, id: string, order: EnqueueOrder): Promise<ExitCode> {
  const { timeoutMs, follow, json } = order
  const limit = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)
  const waiting = limit ? { signal: limit } : {}
  try {
    if (follow)
      // With --json, stdout is for the one document.
      await printLogLines(
        cluster.logs(id, { follow, ...waiting }),
        json ? process.stderr : process.stdout,
      )
    const finished = cluster.wait(id, waiting)
    const record = await (follow ? finished : withProgress(cluster, id, finished))
    if (json) await printJson(record)
    talk(sentenceOf(record))
    return record.outcome === 'succeeded' ? exitCode.ok : exitCode.failed
  } catch (error) {
    if (!limit?.aborted) throw error
    if (json) await printJson(await cluster.get(id))
    throw new ClusterError(
      'CW_WAIT_TIMEOUT',
      `request ${id} did not finish within ${timeoutMs} ms; it goes on: cluster-worker logs ${id} --follow`,
      { field: 'timeout', cause: error },
    )
  }
}

function sentenceOf(record: RequestRecord): string {
  const took = showTook(record.startedAt, record.finishedAt)
  const said = `request ${record.id} ${outcomeOf(record)}${took && ` after ${took}`}`
  if (record.outcome === 'succeeded') return said
  const why = record.error ? `: ${record.error.message}` : ''
  return `${said}${why}\nSee cluster-worker show ${record.id} and cluster-worker logs ${record.id}`
}

/** Enqueues the request; when the name is unknown, the error tells the known ones. */
async function enqueue(
  cluster: Cluster,
  { process, options }: EnqueueOrder,
  input: unknown,
  settings: Settings,
): Promise<Enqueued> {
  try {
    return await cluster.enqueue(process, input, options)
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'CW_UNKNOWN_PROCESS') throw error
    throw unknownProcess(process, await listNames(settings), error)
  }
}

async function listNames(settings: Settings): Promise<string[]> {
  const db = new Database({
    connectionString: requireDatabase(settings),
    schema: settings.options.schema,
    applicationName: 'cluster-worker enqueue',
    maxConnections: 1,
  })
  try {
    return await listPublishedNames(db)
  } finally {
    await db.close()
  }
}

/** So many names fit into a sentence. */
const mostNames = 20

function unknownProcess(name: string, names: readonly string[], cause: Error): ClusterError {
  const nearest = nearestName(name, names)
  const more = names.length > mostNames ? ` and ${names.length - mostNames} more` : ''
  const hint = nearest === undefined ? '' : ` (did you mean ${nearest}?)`
  const advice = [
    names.length > 0
      ? `known are ${names.slice(0, mostNames).join(', ')}${more}`
      : 'no server has published a process yet',
    'to enqueue it all the same, add --allow-unknown',
  ]
  const message = `no server has published a process named '${name}'${hint}; ${advice.join('; ')}`
  return new ClusterError('CW_UNKNOWN_PROCESS', message, { field: 'process', cause })
}
