import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { ArtifactShelf } from './artifact-shelf.ts'
import type { SourceType } from './artifact/source.ts'
import type { Logger } from './base/logger.ts'
import type { NodeIdentity } from './base/node-identity.ts'
import { checkDatabase } from './db/check-database.ts'
import { connectionSettingsOf } from './db/connection-settings.ts'
import type { Database } from './db/database.ts'
import { publishProcesses, type PublishedProcess } from './db/definitions.ts'
import { checkMigrated } from './db/migrate.ts'
import { purgeAttempts, purgeInventory } from './db/component/purge.ts'
import { purgeHistory } from './db/node-history.ts'
import { claimNode } from './db/node-identity.ts'
import { purgeFinished } from './db/purge.ts'
import { replicationMode } from './db/replication-mode.ts'
import { messageOf } from './errors.ts'
import type { ComponentEvents } from './loop/component-work.ts'
import { endFormerLife } from './guardian/end-former-life.ts'
import { readFenceNote } from './loop/fence-note.ts'
import { logEvents, type ClusterListeners } from './log-events.ts'
import type { ServerSetup } from './loop/server-setup.ts'
import { Server } from './loop/server.ts'
import { openDataFolder, type DataFolder } from './identity/open-data-folder.ts'
import type { ServerOptions } from './options.ts'
import { startComponents, type StartedComponents } from './start-components.ts'
import { StoreAccess } from './store-access.ts'
import type { Process } from './step/define-process.ts'
import { jsonSchemaOf } from './step/json-schema.ts'
import { Housekeeping } from './trigger/housekeeping.ts'
import { packageVersion } from './version.ts'
import { checkLimits } from './witness/check-limits.ts'
import { limitsOf } from './witness/limits.ts'
import type { WitnessSettings } from './witness/message.ts'

/** Variables that commands receive from the server's environment; nothing else of it reaches them. */
const passedVariables = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TZ',
  'TMPDIR',
  'SYSTEMROOT',
]

const canLoseRequests =
  'the database has a standby, but does not wait for it: an acknowledged request can be lost in a failover, and one that runs can be started again; set synchronous_standby_names (see docs/operations.md)'

const wasKilled =
  'the last life of this server was killed, and its guardians with it; what it left running was stopped, and its requests have failed'

interface Parts {
  readonly db: Database
  readonly settings: ServerOptions
  readonly processes: readonly Process[]
  readonly logger: Logger
  readonly events: ClusterListeners
  readonly componentEvents: ComponentEvents
  /** Types of sources of the program's own. */
  readonly sources: readonly SourceType[]
  /** Whether the node id becomes that of this data folder, whatever either was before. */
  readonly takeIdentity: boolean
}

export interface StartedServer {
  readonly server: Server
  readonly components: StartedComponents
  readonly housekeeping: Housekeeping | undefined
  /** To be closed last. */
  readonly dataFolder: DataFolder
}

/** Looks whether this server can work here, publishes what it knows, and starts it. */
export async function startServer(parts: Parts): Promise<StartedServer> {
  const { settings, takeIdentity } = parts
  const { lostAfter: lostAfterMs, outageGrace: outageGraceMs } = settings
  checkLimits(lostAfterMs, limitsOf({ lostAfterMs, outageGraceMs }))
  const folder = resolve(settings.dataDir)
  const dataFolder = await openDataFolder({ folder, node: settings.nodeId, takeIdentity })
  try {
    const access = new StoreAccess(parts.db, settings)
    let components: StartedComponents | undefined
    const server = await startNode(parts, dataFolder, {
      artifacts: new ArtifactShelf(parts.db, () => access.openCache()),
      probeStore: () => access.probe(),
      onComponentHint: () => components?.wake(),
      onFenced: reason => void components?.stop(reason),
    })
    components = startComponents({
      ...parts,
      access,
      events: parts.componentEvents,
      environment: environmentOf(settings.passEnv),
      guard: server.guard,
      incarnation: server.incarnation,
      mayBegin: () => server.mayBegin,
      // Without its own database a server does nothing anyway, and others watch for that.
      onStoreTrouble: error => {
        if (settings.store !== 'postgres:') server.noteStore(error)
      },
    })
    return { server, components, housekeeping: startHousekeeping(parts), dataFolder }
  } catch (error) {
    await dataFolder.close()
    throw error
  }
}

async function startNode(
  parts: Parts,
  { identity, keepIdentity }: DataFolder,
  forComponents: Pick<ServerSetup, 'artifacts' | 'probeStore' | 'onComponentHint' | 'onFenced'>,
): Promise<Server> {
  const { db, settings, processes, logger, events, takeIdentity } = parts
  await checkDatabase(db)
  await checkMigrated(db)
  if ((await replicationMode(db)) === 'asynchronous') logger.warn({}, canLoseRequests)
  await endLastLife(parts)
  const nodeSeq = await claimNode(db, identity, { take: takeIdentity, keep: keepIdentity })
  const lanes = await publishProcesses(db, settings.nodeId, processes.map(describe))
  return Server.start({
    db,
    node: settings.nodeId,
    processes: new Map(processes.map((process, index) => [lanes[index] as number, process])),
    concurrency: settings.concurrency,
    listen: settings.listen,
    killGraceMs: settings.killGrace,
    outputLimit: settings.outputLimit,
    environment: environmentOf(settings.passEnv),
    dataFolder: resolve(settings.dataDir),
    witness: await describeWitness(parts, identity, nodeSeq, lanes),
    ...forComponents,
    events: logEvents(events, logger),
  })
}

/** What cannot be done here is left to the other servers. */
async function endLastLife({ db, settings, logger }: Parts): Promise<void> {
  try {
    const failed = await endFormerLife(db, resolve(settings.dataDir), settings.nodeId)
    if (failed) logger.warn({ failed }, wasKilled)
  } catch (error) {
    logger.warn(
      {},
      `what the last life of this server left could not be ended: ${messageOf(error)}`,
    )
  }
}

async function describeWitness(
  { db, settings, processes, logger }: Parts,
  identity: NodeIdentity,
  nodeSeq: string,
  lanes: readonly number[],
): Promise<WitnessSettings> {
  return {
    schema: db.schema,
    connection: await connectionSettingsOf(db.pool),
    nodeSeq,
    about: {
      ...identity,
      version: packageVersion(),
      host: hostname(),
      pid: process.pid,
      role: settings.role === 'standby' ? 'standby' : 'active',
      handBack: settings.handBack,
      concurrency: settings.concurrency,
      lostAfterMs: settings.lostAfter,
      outageGraceMs: settings.outageGrace,
      onFailureSteps: countOnFailureSteps(processes, lanes),
      fenced: readFenceNote(resolve(settings.dataDir), settings.nodeId),
    },
    lanes,
    pollMs: settings.pollInterval,
    pollJitter: settings.pollJitter,
    dataFolder: resolve(settings.dataDir),
    isGuarded: isGuarded(settings, logger),
    stallLimitMs: settings.stallLimit,
  }
}

function isGuarded({ guardian }: ServerOptions, logger: Logger): boolean {
  const isPossible = process.platform === 'linux'
  if (guardian && !isPossible)
    logger.warn(
      {},
      'there is no guardian on this system: when this server dies, its commands go on',
    )
  return guardian && isPossible
}

/** In the background: a cluster that cannot clean up still runs what is asked of it. */
function startHousekeeping({ db, settings, logger }: Parts): Housekeeping | undefined {
  const { retention, schema } = settings
  if (retention === 'forever') return undefined
  const onError = (error: unknown): void => logger.warn({}, `housekeeping: ${messageOf(error)}`)
  const housekeeping = new Housekeeping({
    executeSql: (text, values) => db.query({ text, ...(values && { values }) }),
    schema: `${schema}_boss`,
    purge: async () => {
      await purgeHistory(db, retention)
      await purgeAttempts(db, retention)
      await purgeInventory(db, retention)
      return purgeFinished(db, retention)
    },
    onPurged: removed => logger.info({ removed }, 'old requests were removed'),
    onError,
  })
  housekeeping.start()
  return housekeeping
}

function describe(process: Process): PublishedProcess {
  const phases = { step: process.steps, on_failure: process.onFailure }
  return {
    name: process.name,
    version: process.version,
    description: process.description ?? null,
    inputSchema: (process.input && jsonSchemaOf(process.input)) ?? null,
    steps: Object.entries(phases).flatMap(([phase, steps]) =>
      steps.map(({ name, kind }) => ({ phase, name, kind })),
    ),
  }
}

/** @param lanes those of the processes, in their order */
function countOnFailureSteps(
  processes: readonly Process[],
  lanes: readonly number[],
): Record<number, number> {
  const counts = processes.map(({ onFailure }, index) => [lanes[index], onFailure.length] as const)
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}

function environmentOf(passEnv: readonly string[]): Record<string, string> {
  const names = [
    ...passedVariables,
    ...passEnv,
    ...Object.keys(process.env).filter(name => name.startsWith('LC_')),
  ]
  const entries = names.flatMap(name => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(entries)
}
