import { relative } from 'node:path'
import { styleText } from 'node:util'
import { checkDatabase } from '../lib/db/check-database.ts'
import { Database } from '../lib/db/database.ts'
import { checkMigrated } from '../lib/db/migrate.ts'
import { ClusterError, messageOf } from '../lib/errors.ts'
import { openExaminedStore } from '../lib/examine-installation.ts'
import type { ServerOptions } from '../lib/options.ts'
import type { FlagValues } from './define-command.ts'
import type { Definitions } from '../lib/config/load-definitions.ts'
import { readDefinitions } from './definitions.ts'
import { exitCode, exitCodeOf, type ExitCode } from './exit-code.ts'
import { print } from './output.ts'
import { printable } from './printable.ts'
import { readSettings, requireDatabase, type Settings } from './settings.ts'

interface Check {
  readonly name: string
  /** Says what was found; throws what is wrong and what to do. */
  look(): Promise<string>
  /** Whether the checks that follow make no sense when this one fails. */
  readonly decides?: boolean
}

/**
 * Checks all that a server needs, one line for each thing.
 * @returns 0 when all is well, else the code of what failed first
 */
export async function checkAll(given: FlagValues): Promise<ExitCode> {
  let settings: Settings | undefined
  const first = await runChecks([
    {
      name: 'configuration',
      async look() {
        settings = await readSettings(given)
        requireDatabase(settings)
        return settings.file ? relative('', settings.file) : 'no file; flags and environment only'
      },
    },
  ])
  if (!settings) return first
  const definitions = await runChecks([definitionsCheck(settings)])
  const { connectionString, schema } = settings.options
  if (connectionString === undefined) return first
  const applicationName = 'cluster-worker check'
  const db = new Database({ connectionString, schema, applicationName, maxConnections: 2 })
  const database = await runChecks(databaseChecks(db, settings))
  await db.close()
  return [first, definitions, database].find(code => code !== exitCode.ok) ?? exitCode.ok
}

/** Does the checks in order and prints a line for each. */
async function runChecks(checks: readonly Check[]): Promise<ExitCode> {
  let code: ExitCode = exitCode.ok
  for (const check of checks) {
    const name = check.name.padEnd(14)
    try {
      await print(`${styleText('green', 'ok')}      ${name} ${printable(await check.look())}`)
    } catch (error) {
      const says = printable(messageOf(error)).replaceAll('\n', `\n${' '.repeat(23)}`)
      const known = error instanceof ClusterError ? ` [${error.code}]` : ''
      await print(`${styleText('red', 'failed')}  ${name} ${says}${known}`)
      if (code === exitCode.ok) code = exitCodeOf(error)
      if (check.decides) break
    }
  }
  return code
}

function definitionsCheck({ options }: Settings): Check {
  return {
    name: 'definitions',
    async look() {
      if (options.processes.length === 0)
        return 'none named; a server needs --processes, CLUSTER_PROCESSES or processes in the configuration file'
      const definitions = await readDefinitions(options.processes)
      return namesOf(definitions)
    },
  }
}

function namesOf({ processes, sources }: Definitions): string {
  return [
    ...processes.map(({ name }) => name),
    ...sources.map(({ type }) => `source ${type}`),
  ].join(', ')
}

function databaseChecks(db: Database, { devFolder, options }: Settings): Check[] {
  return [
    {
      name: 'database',
      decides: true,
      async look() {
        const { rows } = await db.query<{ version: string; name: string }>({
          text: "select current_setting('server_version') as version, current_database() as name",
        })
        const which = devFolder === undefined ? '' : `, the development database of ${devFolder}`
        return `${rows[0]?.name}, PostgreSQL ${rows[0]?.version}${which}`
      },
    },
    {
      name: 'set-up',
      async look() {
        await checkDatabase(db)
        return 'version, encoding and connection are as a server needs them; no pooler between'
      },
    },
    {
      name: 'schema',
      decides: true,
      async look() {
        await checkMigrated(db)
        return `"${db.schema}" is up to date`
      },
    },
    {
      name: 'writing',
      async look() {
        await tryWriting(db)
        return 'allowed'
      },
    },
    {
      name: 'store',
      look: () => tryStore(db, options),
    },
  ]
}

async function tryStore(db: Database, options: ServerOptions): Promise<string> {
  const store = openExaminedStore(db, options)
  try {
    const { description, mayWrite } = store
    if ((await store.recognise()) === 'new')
      return `${description}, empty: the first server makes it this cluster's`
    if (mayWrite) await store.tryWriting()
    return `${description}, ${mayWrite ? 'written and read back' : 'can be read'}`
  } finally {
    await store.close()
  }
}

/** Writes a row and takes it back. */
async function tryWriting(db: Database): Promise<void> {
  const done = Symbol('rolled back')
  await db
    .transaction(async client => {
      await client.query({
        text: `insert into ${db.t.node} (id) values ('cluster-worker check')`,
      })
      throw done
    })
    .catch((error: unknown) => {
      if (error !== done) throw error
    })
}
