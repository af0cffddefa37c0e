import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { storeFlags } from '../option-flags.ts'
import { print, printJson, talk } from '../output.ts'
import { showSize } from '../show-size.ts'
import { openStatusLine } from '../status-line.ts'

/** Reads the whole store, and says what is missing or damaged. */
export const verifyCommand: Command = defineCommand({
  name: 'verify',
  summary: 'Read every published file in the store, and say which are missing or damaged',
  flags: {
    json: { type: 'boolean', describe: 'Print a JSON object.' },
    ...storeFlags,
  },
  examples: { verify: 'exits with 0 when all are whole' },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const line = openStatusLine()
    const found = await withCluster(given, ({ components }) =>
      components.verify({
        onProgress: ({ objects, bytes }) =>
          line?.show(`${objects} files, ${showSize(bytes)} are whole or noted`),
      }),
    ).finally(() => line?.end())
    const { objects, bytes, problems } = found
    if (given.json) await printJson(found)
    else
      for (const { problem, neededBy } of problems)
        await print(`${problem}; needed by ${neededBy.join(', ')}`)
    talk(
      `${objects} files, ${showSize(bytes)}: ${problems.length === 0 ? 'all are whole' : `${problems.length} are not`}`,
    )
    return problems.length === 0 ? exitCode.ok : exitCode.failed
  },
})
