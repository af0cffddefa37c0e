import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { databaseFlags } from '../option-flags.ts'
import { print, printJson } from '../output.ts'

/** Shows everything about one request. */
export const showCommand: Command = defineCommand({
  name: 'show',
  summary: 'Show a request with its steps and its outcome',
  positionals: { id: 'The id that enqueue printed.' },
  flags: {
    json: { type: 'boolean', describe: 'Print a JSON object.' },
    ...databaseFlags,
  },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const record = await withCluster(given, cluster => cluster.get(String(given['id'])))
    if (given.json) {
      await printJson(record)
    } else {
      const { describeRequest } = await import('../describe-request.ts')
      await print(await describeRequest(record))
    }
    return exitCode.ok
  },
})
