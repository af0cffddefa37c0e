import { hostname } from 'node:os'
import type { Database } from '../db/database.ts'
import { findFormer, listAbandoned } from '../db/former-incarnation.ts'
import { declareLost } from '../db/incarnations.ts'
import { listProcesses, readStartTicks } from '../step/process-list.ts'
import { killCommands, readMark } from './kill-commands.ts'
import { readBoot, readLife, removeLife, type Life } from './life-file.ts'
import { reporterOf } from './report-loss.ts'

/**
 * Does for the node's last life what its guardians do, when it was killed together with them: stops what it left running,
 * and then reports the loss. To be called with the lock of the data folder, which says that the last life is over, before
 * the next one begins. The folder may be a copy, and the one that it was copied from alive somewhere else: so what is not of
 * this machine since its last start is left to the others, and so is the report when a session still proves that life.
 * @returns the ids of the requests that failed; undefined when there was nothing to report
 */
export async function endFormerLife(
  db: Database,
  dataFolder: string,
  node: string,
): Promise<string[] | undefined> {
  const life = readLife(dataFolder)
  if (!life || life.host !== hostname() || life.boot !== readBoot()) return undefined
  const { incarnation, server } = life
  if (readStartTicks(server.pid) === server.startTicks) return undefined
  // The folder may be used with a copy of the database, or with another one.
  const former = await findFormer(db, incarnation, { node, host: life.host, pid: server.pid })
  if (!former || former.state === 'left') return undefined
  const survivors = await stopCommands(db, life)
  if (former.isProven) return undefined
  const failed = await declareLost(db, incarnation, reporterOf('its next life', survivors))
  removeLife(dataFolder)
  return failed
}

/**
 * What finished requests left behind on purpose goes on, as with the guardians; so does what nobody knows anything about any
 * more. What belongs to no request has no reason to go on.
 * @returns the ids of the processes that we are not allowed to stop
 */
async function stopCommands(db: Database, life: Life): Promise<number[]> {
  const marks = new Set<string>()
  for await (const { environment } of listProcesses()) {
    const mark = readMark(environment, life.cookie)
    if (mark !== undefined) marks.add(mark)
  }
  if (marks.size === 0) return []
  const ids = [...marks].filter(mark => /^\d{1,18}$/.test(mark))
  const abandoned = new Set(await listAbandoned(db, life.incarnation, ids))
  const running = [...marks].filter(mark => abandoned.has(mark) || !ids.includes(mark))
  return killCommands({ charge: life, how: 'gone', running: new Set(running) })
}
