import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { sentenceOf, worstFirst, type Finding } from '../base/finding.ts'
import type { Database } from '../db/database.ts'
import { checkTransactions, checkWaiting } from '../db/doctor/check-activity.ts'
import { checkCapacity } from '../db/doctor/check-capacity.ts'
import { checkClock } from '../db/doctor/check-clock.ts'
import { checkComponents } from '../db/doctor/check-components.ts'
import { checkConnection } from '../db/doctor/check-connection.ts'
import { checkDurability } from '../db/doctor/check-durability.ts'
import { checkGrants } from '../db/doctor/check-grants.ts'
import { checkHousekeeping } from '../db/doctor/check-housekeeping.ts'
import { checkLocks } from '../db/doctor/check-locks.ts'
import { checkQueue } from '../db/doctor/check-queue.ts'
import { checkReplication } from '../db/doctor/check-replication.ts'
import { checkSchema } from '../db/doctor/check-schema.ts'
import { checkRoles } from '../db/doctor/check-roles.ts'
import { checkServers, checkVersions } from '../db/doctor/check-servers.ts'
import { checkSettings } from '../db/doctor/check-settings.ts'
import { checkTables } from '../db/doctor/check-tables.ts'
import type { DatabaseCheck } from '../db/doctor/database-check.ts'
import { openReadOnly, type ReadOnlySession } from '../db/doctor/read-only-session.ts'
import { findLives } from '../db/doctor/lives.ts'
import { findLocalServers, findRuns } from '../db/doctor/runs.ts'
import { isConnectionFailure } from '../db/translate-error.ts'
import { messageOf } from '../errors.ts'
import type { ServerOptions } from '../options.ts'
import { checkDisk } from './check-disk.ts'
import { checkPipeFolders, checkRunFolders } from './check-leftover-folders.ts'
import { checkLeftoverProcesses, type FindRuns } from './check-leftover-processes.ts'
import { checkLeftoverPrograms, type FindLives } from './check-leftover-programs.ts'
import { checkLimits } from './check-limits.ts'
import { checkRuntime } from './check-runtime.ts'
import { checkServiceManager } from './check-service-manager.ts'
import { checkStore, type ExaminedStore } from './check-store.ts'
import { readSystemFile } from './read-system-file.ts'

/** What is examined: an installation, as a server on this machine would be set up for it. */
export interface Patient {
  readonly db: Database
  readonly settings: Pick<
    ServerOptions,
    'dataDir' | 'concurrency' | 'lostAfter' | 'retention' | 'guardian'
  >
  readonly store: ExaminedStore
}

/** What the database can be asked before its tables are there. */
const databaseChecks: Readonly<Record<string, DatabaseCheck>> = {
  durability: checkDurability,
  replication: checkReplication,
  settings: checkSettings,
  transactions: session => checkTransactions(session),
  'sessions that wait': checkWaiting,
  clock: session => checkClock(session),
  rights: checkGrants,
}

/** What only makes sense when the tables are there. */
const tableChecks: Readonly<Record<string, DatabaseCheck>> = {
  servers: checkServers,
  roles: checkRoles,
  locks: checkLocks,
  queue: checkQueue,
  versions: checkVersions,
  connections: checkCapacity,
  tables: checkTables,
  housekeeping: checkHousekeeping,
  components: checkComponents,
}

/**
 * Examines the database, the store and this machine, and changes nothing; a few bytes are written into the store and
 * removed. What cannot be looked at is a finding, too.
 * @returns the worst first
 */
export async function examine(patient: Patient): Promise<Finding[]> {
  const session = await openReadOnly(patient.db).catch((error: unknown) => unreachable(error))
  if ('level' in session) return worstFirst([session, ...(await examineMachine(patient))])
  try {
    const schema = await attempt('schema', () => checkSchema(patient.db))
    // A newer schema can be asked most things; where it cannot, that is said.
    const hasTables = schema.every(({ name }) => name === 'schema-newer')
    return worstFirst([
      ...schema,
      ...(await examineDatabase(patient, session, hasTables)),
      ...(hasTables ? await attempt('store', () => checkStore(patient.store)) : []),
      ...(await examineMachine(patient, hasTables ? session : undefined)),
    ])
  } finally {
    await session.end()
  }
}

async function examineDatabase(
  { db, settings }: Patient,
  session: ReadOnlySession,
  hasTables: boolean,
): Promise<Finding[]> {
  const { lostAfter, retention } = settings
  const examined = { schema: db.schema, t: db.t, lostAfter, retention }
  const checks = { ...databaseChecks, ...(hasTables && tableChecks) }
  const findings = await attempt('connection', () => checkConnection(db))
  for (const [name, check] of Object.entries(checks))
    findings.push(...(await attempt(name, () => session.look(one => check(one, examined)))))
  return findings
}

/** @param session none when the tables cannot be asked */
async function examineMachine(
  { db, settings }: Patient,
  session?: ReadOnlySession,
): Promise<Finding[]> {
  const folder = resolve(settings.dataDir)
  const find: FindRuns = async ids => session?.look(one => findRuns(one, db.t, ids))
  const lives: FindLives = async ids => session?.look(one => findLives(one, db.t, ids))
  const servers = await session
    ?.look(one => findLocalServers(one, db.t, hostname()))
    .catch(() => undefined)
  const pid = servers?.find(isRunning) ?? process.pid
  const { guardian, concurrency } = settings
  const checks: Readonly<Record<string, () => Finding[] | Promise<Finding[]>>> = {
    'processes of steps': () => checkLeftoverProcesses(find),
    'programs of sources': () => checkLeftoverPrograms(lives),
    'folders of runs': () => checkRunFolders(folder, find),
    'folders of pipes': () => checkPipeFolders(),
    disk: () => checkDisk(folder),
    limits: () => checkLimits(pid, concurrency),
    'service manager': () => checkServiceManager(readSystemFile(`/proc/${pid}/cgroup`)),
    runtime: () =>
      checkRuntime({ version: process.versions.node, platform: process.platform, guardian }),
  }
  const findings: Finding[] = []
  for (const [name, check] of Object.entries(checks))
    findings.push(...(await attempt(name, async () => check())))
  return findings
}

/** What a check finds; or that it could not look. */
async function attempt(what: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look()
  } catch (error) {
    return [
      {
        name: 'not-examined',
        level: isConnectionFailure(error) ? 'warning' : 'note',
        what: `The doctor could not look at this: ${what}.`,
        why: `It got: ${messageOf(error)}`,
        todo: 'Look again; if it is for want of rights, with the role of the servers or as an administrator.',
      },
    ]
  }
}

function unreachable(error: unknown): Finding {
  return {
    name: 'database-unreachable',
    level: 'error',
    what: sentenceOf(messageOf(error)),
    why: 'Nothing is enqueued, claimed or finished from here. What runs goes on and waits for the database, for up to a minute.',
    todo: 'Look whether PostgreSQL runs, whether the database URL names it, and whether network, firewall and pg_hba.conf let this machine in.',
    command: 'pg_isready --dbname "$DATABASE_URL"',
  }
}

/** Whether a process of this number is there. A container may show a server whose process is elsewhere. */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`)
}
