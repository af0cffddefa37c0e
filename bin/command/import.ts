import type { CancelledImport } from '../../lib/db/component/cancel-import.ts'
import type { VersionSummary } from '../../lib/db/component/versions.ts'
import { duration } from '../../lib/base/option-readers.ts'
import { ClusterError } from '../../lib/errors.ts'
import { defineCommand, type Command, type FlagValues } from '../define-command.ts'
import { exitCode, type ExitCode } from '../exit-code.ts'
import { databaseFlags } from '../option-flags.ts'
import { talk } from '../output.ts'
import { readFlag } from '../read-flag.ts'
import { openStatusLine } from '../status-line.ts'
import { showSize } from '../show-size.ts'

/** Has a version imported by a server, or no longer. */
export const importCommand: Command = defineCommand({
  name: 'import',
  summary: 'Have a version of a component imported into the store, by any server',
  positionals: { component: 'The name of the component.', version: 'The version.' },
  flags: {
    cancel: { type: 'boolean', describe: 'Have it imported no longer; stops an import under way.' },
    skip: {
      type: 'boolean',
      describe: 'With --cancel: incremental versions behind it do without it.',
    },
    'no-wait': { type: 'boolean', describe: 'Only ask for it.' },
    timeout: {
      type: 'string',
      requiresArg: true,
      describe: 'How long to wait at the most, such as 10m.',
      defaultDescription: 'no limit',
    },
    ...databaseFlags,
  },
  examples: {
    'import app 1.4.2': 'waits until every server can use it',
    'import app 1.4.2 --cancel': 'nobody imports it any more',
    'import app 1.4.2 --cancel --skip': 'and the next one is built without it',
  },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const [component, version] = [String(given['component']), String(given['version'])]
    if (given.cancel) return cancel(given, component, version)
    if (given['skip'])
      throw new ClusterError('CW_OPTION', '--skip belongs to --cancel', { field: '--skip' })
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

async function cancel(given: FlagValues, component: string, version: string): Promise<ExitCode> {
  if (given['timeout'] !== undefined || given['noWait'])
    throw new ClusterError(
      'CW_OPTION',
      '--cancel does not wait; leave out --timeout and --no-wait',
      {
        field: '--cancel',
      },
    )
  const { withCluster } = await import('../with-cluster.ts')
  const skip = given['skip'] === true
  const cancelled = await withCluster(given, ({ components }) =>
    components.cancelImport(component, version, { skip }),
  )
  talk(sentenceOf(cancelled, `${component} ${version}`))
  return exitCode.ok
}

function sentenceOf({ answer, node }: CancelledImport, what: string): string {
  const sentences: Record<typeof answer, string> = {
    cancelled: `The import of ${what} is cancelled; it had not begun.`,
    requested: `The import of ${what} is cancelled; ${node} stops it.`,
    published: `${what} had been imported before.`,
    unwanted: `Nobody had asked for ${what}.`,
    skipped: `The versions behind ${what} are built without it.`,
  }
  return sentences[answer]
}

function progressOf({ state, node, filesSoFar, bytesSoFar }: VersionSummary): string {
  return state === 'importing'
    ? `is imported by ${node}: ${filesSoFar ?? 0} files, ${showSize(bytesSoFar ?? 0)}`
    : `is ${state}`
}
