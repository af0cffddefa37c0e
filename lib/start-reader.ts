import { Loop } from './base/loop.ts'
import type { Logger } from './base/logger.ts'
import { checkDatabase } from './db/check-database.ts'
import type { Database } from './db/database.ts'
import { checkMigrated } from './db/migrate.ts'
import { messageOf } from './errors.ts'
import type { ServerOptions } from './options.ts'

interface Parts {
  readonly db: Database
  readonly settings: ServerOptions
  readonly logger: Logger
}

/** A server that only answers questions: it is no member of the cluster, and writes nothing. */
export interface Reader {
  stop(): Promise<void>
}

/**
 * Looks whether the database can be asked, and follows it from then on: the log says when it is away.
 * @throws {ClusterError} CW_DATABASE_UNFIT, CW_NOT_MIGRATED, CW_SCHEMA_NEWER
 */
export async function startReader({ db, settings, logger }: Parts): Promise<Reader> {
  await checkDatabase(db, 'read')
  await checkMigrated(db)
  let isAway = false
  const loop = new Loop({
    name: 'database',
    async pass() {
      await db.query({ text: 'select' })
      if (isAway) logger.info({}, 'the database answers again')
      isAway = false
      return settings.pollInterval
    },
    onError(error) {
      if (!isAway) logger.warn({}, `the database does not answer: ${messageOf(error)}`)
      isAway = true
    },
  })
  loop.start()
  logger.info({ node: settings.nodeId }, 'server started, read-only: it claims and writes nothing')
  return loop
}
