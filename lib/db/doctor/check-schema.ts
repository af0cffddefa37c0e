import { sentenceOf, type Finding } from '../../base/finding.ts'
import { ClusterError } from '../../errors.ts'
import type { Database } from '../database.ts'
import { checkMigrated } from '../migrate.ts'

/** Looks whether the schema is the one that this version needs. */
export async function checkSchema(db: Database): Promise<Finding[]> {
  try {
    await checkMigrated(db)
    return []
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error
    if (error.code === 'CW_NOT_MIGRATED')
      return [
        {
          name: 'not-migrated',
          level: 'error',
          what: sentenceOf(error.message),
          why: 'Nothing can be enqueued, and no server of this version starts.',
          todo: 'Migrate it, with a role that owns the schema.',
          command: 'cluster-worker migrate',
        },
      ]
    if (error.code !== 'CW_SCHEMA_NEWER') throw error
    return [
      {
        name: 'schema-newer',
        level: 'error',
        what: sentenceOf(error.message),
        why: 'Servers of this version do not start any more.',
        todo: 'Upgrade the package on this machine.',
        command: 'npm install cluster-worker@latest',
      },
    ]
  }
}
