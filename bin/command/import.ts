import type { VersionSummary } from '../../lib/db/component/versions.ts'
import { duration } from '../../lib/base/option-readers.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { databaseFlags } from '../option-flags.ts'
import { talk } from '../output.ts'
import { readFlag } from '../read-flag.ts'
import { openStatusLine } from '../status-line.ts'
import { showSize } from '../show-size.ts'

/** Has a version imported by a server. */
export const importCommand: Command = defineCommand({
  name: 'import',
  summary: 'Have a version of a component imported into the store, by any server',
  positionals: { component: 'The name of the component.', version: 'The version.' },
  flags: {
    'no-wait': { type: 'boolean', describe: 'Only ask for it.' },
    timeout: {
      type: 'string',
      requiresArg: true,
      describe: 'How long to wait at the most, such as 10m.',
      defaultDescription: 'no limit',
    },
    ...databaseFlags,
  },
  examples: { 'import app 1.4.2': 'waits until every server can use it' },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const [component, version] = [String(given['component']), String(given['version'])]
    const timeout = readFlag('--timeout', duration('1ms', '24d'), given.timeout)
    return withCluster(given, async ({ components }) => {
      const isWanted = await components.import(component, version)
      if (!isWanted) talk(`${component} ${version} is published already`)
      if (!isWanted || given.noWait) return exitCode.ok
      const line = openStatusLine()
      try {
        const { files, bytes } = await components.waitForImport(component, version, {
          ...(timeout !== undefined && { timeout }),
          onProgress: summary => line?.show(`${component} ${version} ${progressOf(summary)}`),
        })
        line?.end()
        talk(`${component} ${version} is published: ${files} files, ${showSize(bytes ?? 0)}`)
        return exitCode.ok
      } finally {
        line?.end()
      }
    })
  },
})

function progressOf({ state, node, filesSoFar, bytesSoFar }: VersionSummary): string {
  return state === 'importing'
    ? `is imported by ${node}: ${filesSoFar ?? 0} files, ${showSize(bytesSoFar ?? 0)}`
    : `is ${state}`
}
