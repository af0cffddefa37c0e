import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { databaseFlags } from '../option-flags.ts'
import { print } from '../output.ts'

/** Brings the schema up to date. */
export const migrateCommand: Command = defineCommand({
  name: 'migrate',
  summary: 'Create the tables, or bring them up to this version',
  flags: databaseFlags,
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const { applied, schema } = await withCluster(given, async (cluster, { options }) => ({
      applied: await cluster.migrate(),
      schema: options.schema,
    }))
    for (const name of applied) await print(`applied ${name}`)
    if (applied.length === 0) await print(`The schema "${schema}" is up to date.`)
    return exitCode.ok
  },
})
