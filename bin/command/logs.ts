import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { databaseFlags } from '../option-flags.ts'

/** Prints the log of a request. */
export const logsCommand: Command = defineCommand({
  name: 'logs',
  summary: 'Print what the steps of a request printed',
  positionals: { id: 'The id that enqueue printed.' },
  flags: {
    follow: { type: 'boolean', alias: 'f', describe: 'Go on until the request has finished.' },
    raw: { type: 'boolean', describe: 'Print the text alone, without the names of the steps.' },
    json: { type: 'boolean', describe: 'Print a JSON array.' },
    ...databaseFlags,
  },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const { printLogJson, printLogLines, printLogText } = await import('../print-log.ts')
    await withCluster(given, async cluster => {
      const entries = cluster.logs(String(given['id']), { follow: given.follow === true })
      if (given.json) await printLogJson(entries)
      else if (given.raw) await printLogText(entries)
      else await printLogLines(entries)
    })
    return exitCode.ok
  },
})
