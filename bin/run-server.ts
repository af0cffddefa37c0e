import { messageOf } from '../lib/errors.ts'
import type { Cluster } from '../lib/cluster.ts'
import { exitCode, type ExitCode } from './exit-code.ts'
import type { ServerLog } from './server-log.ts'
import { onStopSignal } from './stop-signal.ts'

/** How long a server that must stop at once may take before its process is ended, in milliseconds. */
const lastResortMs = 30_000

/**
 * The same for a server that was fenced. Its work has been stopped; what is left is a farewell to a database that may not
 * answer, and whoever supervises it can start it anew.
 */
const fencedMs = 2000

interface RunOptions {
  /** Called once, when the server has joined the cluster. */
  readonly onStarted?: () => void
  /** See `cluster.start`. Defaults to false. */
  readonly takeIdentity?: boolean
}

/**
 * Runs the server until it is told to stop: the first signal drains it, a second one stops what runs,
 * a third ends the process. The handlers stay, so that a signal during the caller's own clean-up counts.
 * @returns 0 after a clean drain, the signal's code after a hard stop, 75 when the server was fenced, 1 when
 *   nobody reads its log any more
 * @throws {ClusterError} what `cluster.start` throws
 */
export async function runServer(
  cluster: Cluster,
  { logger, readerGone }: ServerLog,
  { onStarted, takeIdentity = false }: RunOptions = {},
): Promise<ExitCode> {
  const running = trackRunning(cluster)
  const stopped = Promise.withResolvers<void>()
  let code: ExitCode = exitCode.ok
  let signals = 0

  function drain(why: string): void {
    const finish = `stopping when what runs here has finished (${running.size}); a second signal stops it`
    logger.info(
      { running: running.size },
      `${why}: ${running.size > 0 ? finish : 'stopping; nothing runs here'}`,
    )
    cluster.stop().then(stopped.resolve, stopped.reject)
  }

  /** Whoever supervises the server shall start it anew, with a log that is read. */
  function drainUnread(): void {
    code = exitCode.failed
    drain('nobody reads the log any more')
  }

  function stopHard(because: ExitCode, withinMs = lastResortMs): void {
    code = because
    setTimeout(() => process.exit(code), withinMs).unref()
    cluster.stop({ drain: 0 }).then(stopped.resolve, stopped.reject)
  }

  onStopSignal((signal, signalCode) => {
    signals += 1
    if (signals === 1) return drain(signal)
    if (signals > 2) process.exit(signalCode)
    logger.warn({ running: running.size }, `${signal}: stopping what runs; a third signal ends all`)
    stopHard(signalCode)
  })
  process.on('uncaughtException', error => {
    // Not from a step, whose errors are its own, but from something that it left behind.
    logger.error(
      { stack: error.stack },
      `stopping because of an error that nobody handled: ${messageOf(error)}`,
    )
    stopHard(exitCode.failed)
  })
  // The server has said so in its log.
  cluster.once('fenced', () => stopHard(exitCode.tryAgain, fencedMs))
  // Also when nobody here asked for it: it was drained, to exit then.
  cluster.once('stopped', () => stopped.resolve())

  await startOrClose(cluster, takeIdentity)
  onStarted?.()
  void readerGone.then(drainUnread)
  await stopped.promise
  return code
}

async function startOrClose(cluster: Cluster, takeIdentity: boolean): Promise<void> {
  try {
    await cluster.start({ takeIdentity })
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

/** The ids of what runs here. */
function trackRunning(cluster: Cluster): ReadonlySet<string> {
  const running = new Set<string>()
  cluster.on('claimed', ({ ids }) => ids.forEach(id => running.add(id)))
  cluster.on('finished', ({ id }) => running.delete(id))
  return running
}
