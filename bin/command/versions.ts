import type { VersionSummary } from '../../lib/db/component/versions.ts'
import { duration } from '../../lib/base/option-readers.ts'
import { ClusterError } from '../../lib/errors.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { showMoment } from '../moment.ts'
import { databaseFlags } from '../option-flags.ts'
import { print, printJson, talk } from '../output.ts'
import { readFlag } from '../read-flag.ts'
import { showSize } from '../show-size.ts'
import { formatTable, type Column } from '../table.ts'

/** Shows the versions of a component, or has its source asked for new ones. */
export const versionsCommand: Command = defineCommand({
  name: 'versions',
  summary: 'Show the versions of a component; or check NAME: ask its source now',
  positionals: { component: 'The name of the component; or check, and then the name.' },
  optionals: { name: 'The component to check, or the one version to show.' },
  flags: {
    json: { type: 'boolean', describe: 'Print JSON.' },
    set: { type: 'string', requiresArg: true, describe: 'Give the one version this status.' },
    clear: { type: 'string', requiresArg: true, describe: 'Take this status from it.' },
    timeout: {
      type: 'string',
      requiresArg: true,
      describe: 'How long to wait for a check at the most, such as 30s.',
      defaultDescription: '2m',
    },
    ...databaseFlags,
  },
  examples: {
    'versions app': 'what is known, imported, and why not',
    'versions check app': 'asks the source, and shows what came of it',
    'versions app 1.4.2 --set passed-qa': 'steps can ask for such a status',
  },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const first = String(given['component'])
    const second = typeof given['name'] === 'string' ? given['name'] : undefined
    const isCheck = first === 'check' && second !== undefined
    const name = isCheck ? second : first
    const timeout = readFlag('--timeout', duration('1ms', '24d'), given.timeout)
    if (timeout !== undefined && !isCheck)
      throw new ClusterError('CW_OPTION', '--timeout is for versions check NAME', {
        field: '--timeout',
      })
    const { set, clear } = given
    if ((set !== undefined || clear !== undefined) && (isCheck || second === undefined))
      throw new ClusterError('CW_OPTION', '--set and --clear are for versions NAME VERSION', {
        field: set === undefined ? '--clear' : '--set',
      })
    const versions = await withCluster(given, async ({ components }) => {
      if (isCheck) {
        const { node } = await components.check(name, timeout === undefined ? {} : { timeout })
        talk(`checked by ${node}`)
      }
      if (set !== undefined) await components.setStatus(name, String(second), set)
      if (clear !== undefined) await components.clearStatus(name, String(second), clear)
      return isCheck || second === undefined
        ? components.versions(name)
        : [await components.version(name, second)]
    })
    if (given.json) await printJson(versions)
    else if (versions.length > 0) await print(await formatTable(columns, versions))
    else talk(`${name} has no versions yet`)
    return exitCode.ok
  },
})

const columns: readonly Column<VersionSummary>[] = [
  { title: 'VERSION', show: version => version.name },
  { title: 'STATE', show: version => version.state },
  { title: 'STATUS', show: version => version.statuses.join(', ') },
  { title: 'FOUND', show: version => showMoment(version.foundAt) },
  { title: 'PUBLISHED', show: version => showMoment(version.publishedAt) },
  { title: 'FILES', align: 'right', show: version => version.files },
  {
    title: 'SIZE',
    align: 'right',
    show: version => (version.bytes === null ? null : showSize(version.bytes)),
  },
  { title: 'BY', show: version => version.node },
  { title: 'TROUBLE', show: version => version.error?.message ?? heldBack(version) },
]

function heldBack({ waitsFor }: VersionSummary): string | null {
  return waitsFor === null ? null : `waits for ${waitsFor}, whose import was cancelled`
}
