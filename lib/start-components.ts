import { join, resolve } from 'node:path'
import { readSecretFrom } from './artifact/secrets.ts'
import type { SourceType } from './artifact/source.ts'
import { sourceTypes } from './artifact/source-types.ts'
import type { Logger } from './base/logger.ts'
import { Loop } from './base/loop.ts'
import { jitter } from './base/random.ts'
import { appendImportLog } from './db/component/log.ts'
import type { Database } from './db/database.ts'
import { wakeServers } from './db/wake.ts'
import { ClusterError, messageOf } from './errors.ts'
import { clearLeftovers } from './loop/clear-leftovers.ts'
import type { ComponentEvents, ComponentWork } from './loop/component-work.ts'
import { SourceDesk, type ProgramGuard } from './loop/source-desk.ts'
import { openStoreSweep } from './loop/store-sweep.ts'
import { openVersionChecks } from './loop/version-checks.ts'
import { openVersionImports } from './loop/version-imports.ts'
import type { ServerOptions } from './options.ts'
import type { StoreAccess } from './store-access.ts'

export interface ComponentsSetup {
  readonly db: Database
  readonly settings: ServerOptions
  readonly access: StoreAccess
  /** Types of sources of the program's own. */
  readonly sources: readonly SourceType[]
  /** What programs that a source starts get. */
  readonly environment: Readonly<Record<string, string>>
  /** Stops these programs when the server is lost. */
  readonly guard: ProgramGuard
  /** The life of this server. */
  readonly incarnation: string
  readonly logger: Logger
  readonly events: ComponentEvents
  /** False while this server may begin nothing. */
  readonly mayBegin: () => boolean
  /** Something went wrong with a version's files. */
  readonly onStoreTrouble: (error: unknown) => void
}

/** What a server does for components, as long as it lives. */
export interface StartedComponents {
  /** Looks for checks and imports at once. */
  wake(): void
  /**
   * Ends what is under way; another server does it. Runs may still use the store.
   * @param reason defaults to that the server was stopped
   */
  stop(reason?: ClusterError): Promise<void>
  /** Lets go of the store, when no run uses it any more. */
  close(): Promise<void>
}

/** Begins to check components for versions, to import these, and to sweep the store. */
export function startComponents(setup: ComponentsSetup): StartedComponents {
  const { db, settings, access, logger, onStoreTrouble } = setup
  const { store } = access
  const mayBegin = (): boolean => access.isReady && setup.mayBegin()
  const onError = (error: unknown, where: string): void => {
    onStoreTrouble(error)
    const code = error instanceof ClusterError ? error.code : undefined
    logger.warn({ where, ...(code && { code }) }, messageOf(error))
  }
  const dataFolder = resolve(settings.dataDir)
  const importsFolder = join(dataFolder, 'imports')
  const work: ComponentWork = {
    db,
    node: settings.nodeId,
    store,
    sources: new SourceDesk({
      types: sourceTypes(setup.sources),
      folder: importsFolder,
      environment: setup.environment,
      guard: setup.guard,
      server: { incarnation: setup.incarnation, node: settings.nodeId },
      readSecret: readSecretFrom(join(dataFolder, 'secrets'), process.env),
      appendLog: (componentId, token, lines) => appendImportLog(db, componentId, token, lines),
      onError,
    }),
    mayBegin,
    events: logged(setup.events, logger, { onStoreTrouble, wake }),
    onError,
  }
  // A function, because what it wakes is made below.
  function wake(): void {
    imports.wake()
    wakeServers(db).catch(() => undefined)
  }
  const checks = openVersionChecks(work, settings.checkVersions)
  const imports = openVersionImports(work, settings.importsAtOnce)
  const stopping = new AbortController()
  const sweep = openStoreSweep(db, store, {
    mayBegin,
    signal: stopping.signal,
    onExpired: version => {
      logger.info(version, 'a version has lost its files: it was too old, or there were too many')
      setup.events.versionExpired(version)
    },
    onSwept: swept => logger.info(swept, 'the artifact store was swept'),
    onError,
  })
  const clearing = clearLeftovers([importsFolder, access.spoolFolder], {
    signal: stopping.signal,
    onError,
  })
  checks.start()
  imports.start()
  sweep.start()
  const look = (): void => {
    checks.wake()
    imports.wake()
  }
  const probing = openProbing(access, { mayProbe: setup.mayBegin, onReady: look, onError })
  probing.start()
  return {
    wake: look,
    async stop(reason = new ClusterError('CW_STOPPED', 'the server was stopped')) {
      stopping.abort(reason)
      await Promise.all([
        checks.stop(reason),
        imports.stop(reason),
        sweep.stop(),
        probing.stop(),
        clearing,
      ])
    },
    close: () => store.close(),
  }
}

/** How often it is looked whether the store has to be tried, in milliseconds. */
const probingMs = 10_000

/**
 * Tries the store until it can be used: when the server starts, and after somebody has resumed it although it could not.
 * While the server is suspended, whoever has suspended it tries.
 */
function openProbing(
  access: StoreAccess,
  {
    mayProbe,
    onReady,
    onError,
  }: {
    mayProbe: () => boolean
    onReady: () => void
    onError: (error: unknown, name: string) => void
  },
): Loop {
  let isFirst = true
  return new Loop({
    name: 'store',
    async pass() {
      if (!access.isReady && (isFirst || mayProbe())) {
        isFirst = false
        await access.probe()
        onReady()
      }
      return jitter(probingMs, 0.2)
    },
    onError,
  })
}

/** How many names of versions one line of the log has: those that were found last. */
const mostNames = 10

/** @param then.wake lets others look: there is something to import, or a process to run */
function logged(
  events: ComponentEvents,
  logger: Logger,
  { wake, onStoreTrouble }: { wake: () => void; onStoreTrouble: (error: unknown) => void },
): ComponentEvents {
  return {
    versionsFound(about) {
      const { component, versions } = about
      const some = versions.slice(-mostNames)
      logger.info({ component, found: versions.length, versions: some }, 'new versions were found')
      events.versionsFound(about)
      wake()
    },
    checkFailed(about) {
      logger.warn({ component: about.component }, `check failed: ${messageOf(about.error)}`)
      events.checkFailed(about)
    },
    versionPublished(about) {
      logger.info(about, 'version published')
      events.versionPublished(about)
      wake()
    },
    importFailed(about) {
      const { component, version, error } = about
      logger.warn({ component, version }, `import failed: ${messageOf(error)}`)
      events.importFailed(about)
      onStoreTrouble(error)
    },
    importCancelled(about) {
      logger.info(about, 'import cancelled')
      events.importCancelled(about)
      // Of an incremental component the next version may begin.
      wake()
    },
    versionExpired: about => events.versionExpired(about),
  }
}
