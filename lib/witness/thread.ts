import { parentPort, workerData } from 'node:worker_threads'
import { openBootClock } from '../base/clock.ts'
import { openDatabase, type ConnectionSettings } from '../db/connection-settings.ts'
import type { Database } from '../db/database.ts'
import { translateError } from '../db/translate-error.ts'
import { startGuardians, type Guardians } from '../guardian/start-guardians.ts'
import type { ClusterError } from '../errors.ts'
import { toPlainError, type Order, type Report, type WitnessSettings } from './message.ts'
import { StallWatch } from './stall-watch.ts'
import { Watcher } from './watcher.ts'
import { Witness } from './witness.ts'

// A thread of its own proves that the server is alive and feeds its guardians, so that a main thread that is busy for
// a while does not look dead.

const { settings, ticks } = workerData as { settings: WitnessSettings; ticks: Int32Array }
const { schema, about } = settings
const clock = openBootClock()
let db = open(settings.connection)

function tell(report: Report): void {
  parentPort?.postMessage(report)
}

const stalls = new StallWatch(ticks, settings.stallLimitMs, clock)
let guardians: Guardians | undefined
let witness: Witness | undefined

function open(connection: ConnectionSettings): Database {
  const db = openDatabase(connection, { schema, applicationName: '' })
  db.timelines.onNewer(newest => tell({ is: 'newer', newest }))
  return db
}

async function begin(): Promise<void> {
  if (settings.isGuarded) guardians = await beginGuardians()
  witness = await Witness.begin({
    ...settings,
    t: db.t,
    clock,
    connect: config => db.connectAlone(config),
    isAway: error => db.isAway(error),
    watcher: new Watcher(about.lostAfterMs),
    findReasonToStop: () => stalls.look(),
    on: {
      look: look => tell({ is: 'look', look }),
      silent: others => tell({ is: 'silent', others }),
      newEra: () => tell({ is: 'newEra' }),
      disconnected: () => tell({ is: 'disconnected' }),
      proven: forMs => guardians?.prove(forMs),
      lost: reportLost,
      error: (error, where) => tell({ is: 'error', error: toPlainError(error), where }),
    },
  })
  await guardians?.charge(witness.incarnation)
  const environment = guardians?.environment ?? {}
  tell({ is: 'begun', incarnation: witness.incarnation, environment })
}

function beginGuardians(): Promise<Guardians> {
  return startGuardians({
    node: about.node,
    schema,
    connection: settings.connection,
    dataFolder: settings.dataFolder,
    onWatching: (by, isFirst) => tell({ is: 'guarded', by, isFirst }),
    onEnded: error => tell({ is: 'error', error: toPlainError(error), where: 'guardian' }),
    onUnguarded: reportLost,
  })
}

function reportLost(reason: ClusterError): void {
  tell({ is: 'lost', reason: toPlainError(reason) })
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'look':
      witness?.look()
      break
    case 'connection':
      db = open(order.connection)
      break
    case 'learn':
      await db.timelines.learn(order.newest)
      break
    case 'cover':
      await guardians?.cover(order.ids)
      tell({ is: 'done', number: order.number })
      break
    case 'release':
      guardians?.release(order.ids)
      break
    case 'abandon':
      guardians?.abandon()
      break
    case 'leave':
      await guardians?.leave()
      tell({ is: 'done', number: order.number })
      break
    case 'end':
      await witness?.end()
      parentPort?.close()
  }
}

parentPort?.on('message', (order: Order) => void obey(order))
try {
  await begin()
} catch (error) {
  guardians?.abandon()
  await witness?.end()
  tell({ is: 'failed', error: toPlainError(translateError(error)) })
  parentPort?.close()
}
