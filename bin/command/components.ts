import type { Components } from '../../lib/components.ts'
import type { ComponentSummary } from '../../lib/db/component/components.ts'
import { nearestName } from '../../lib/base/nearest-name.ts'
import { ClusterError } from '../../lib/errors.ts'
import { defineCommand, type Command, type FlagValues } from '../define-command.ts'
import { exitCode, type ExitCode } from '../exit-code.ts'
import { showMoment } from '../moment.ts'
import { databaseFlags } from '../option-flags.ts'
import { print, printJson, talk } from '../output.ts'
import { formatTable, type Column } from '../table.ts'

/** Shows the components, or does something with one of them. */
export const componentsCommand: Command = defineCommand({
  name: 'components',
  summary: 'Show the components; or apply FILE; pause, resume, remove, log NAME; interval TIME',
  optionals: {
    action:
      'apply, pause, resume, remove, log or interval; or the name of a component, to see all about it.',
    target: 'The file to apply, the name of the component, or how often sources are asked.',
  },
  flags: {
    json: { type: 'boolean', describe: 'Print JSON.' },
    ...databaseFlags,
  },
  examples: {
    'components apply components.yaml': 'adds those that are new, changes the others',
    'components interval 30s': 'for all components that say nothing themselves',
    'components log app': 'what its checks and imports said',
  },
  async run(given) {
    const { action, target } = given
    if (typeof action !== 'string') return showAll(given)
    if (typeof target !== 'string' && !Object.hasOwn(actions, action)) return showOne(given, action)
    if (typeof target !== 'string' || !Object.hasOwn(actions, action))
      throw new ClusterError(
        'CW_OPTION',
        `expected components ${Object.keys(actions).join('|')} and a name or a file, got '${action}'`,
        { field: 'action' },
      )
    return actions[action as keyof typeof actions](given, target)
  },
})

const actions = {
  apply,
  pause: (given: FlagValues, name: string) =>
    change(given, `paused ${name}`, components => components.pause(name)),
  resume: (given: FlagValues, name: string) =>
    change(given, `resumed ${name}`, components => components.resume(name)),
  remove: (given: FlagValues, name: string) =>
    change(given, `removed ${name}`, components => components.remove(name)),
  log: showLog,
  interval: (given: FlagValues, time: string) =>
    change(given, `sources are asked every ${time}`, components =>
      components.setCheckInterval(time),
    ),
}

async function showAll(given: FlagValues): Promise<ExitCode> {
  const { withCluster } = await import('../with-cluster.ts')
  const all = await withCluster(given, cluster => cluster.components.list())
  if (given['json']) await printJson(all)
  else if (all.length > 0) await print(await formatTable(columns, all))
  else
    talk(
      'There is no component yet. Describe one in a file, and: cluster-worker components apply FILE',
    )
  return exitCode.ok
}

async function showOne(given: FlagValues, name: string): Promise<ExitCode> {
  const { withCluster } = await import('../with-cluster.ts')
  await printJson(await withCluster(given, cluster => cluster.components.get(name)))
  return exitCode.ok
}

async function apply(given: FlagValues, file: string): Promise<ExitCode> {
  const { builtInTypes } = await import('../../lib/artifact/source-types.ts')
  const { withCluster } = await import('../with-cluster.ts')
  const { readComponentFile } = await import('../../lib/config/component-file.ts')
  const components = await readComponentFile(file)
  await withCluster(given, async cluster => {
    for (const component of components) {
      const outcome = await cluster.components.apply(component)
      talk(`${outcome} ${component.name}`)
      mentionUnknownType(
        component.source.type,
        builtInTypes.map(({ type }) => type),
      )
    }
  })
  return exitCode.ok
}

/** Only the servers know the types that programs define. */
function mentionUnknownType(type: string, known: readonly string[]): void {
  if (known.includes(type)) return
  const near = nearestName(type, known)
  talk(
    near === undefined
      ? `The type of its source, '${type}', is not built in: servers that define it check and import this component`
      : `The type of its source, '${type}', is not built in. Did you mean '${near}'?`,
  )
}

async function showLog(given: FlagValues, name: string): Promise<ExitCode> {
  const { withCluster } = await import('../with-cluster.ts')
  const lines = await withCluster(given, cluster => cluster.components.log(name))
  if (given['json']) await printJson(lines)
  else for (const { at, text } of lines) await print(`${showMoment(at)}  ${text}`)
  return exitCode.ok
}

async function change(
  given: FlagValues,
  done: string,
  work: (components: Components) => Promise<void>,
): Promise<ExitCode> {
  const { withCluster } = await import('../with-cluster.ts')
  await withCluster(given, cluster => work(cluster.components))
  talk(done)
  return exitCode.ok
}

const columns: readonly Column<ComponentSummary>[] = [
  { title: 'COMPONENT', show: component => component.name },
  { title: 'SOURCE', show: component => component.sourceType },
  { title: 'LATEST', show: component => component.latest },
  { title: 'VERSIONS', align: 'right', show: component => component.versions },
  { title: 'PUBLISHED', align: 'right', show: component => component.published },
  { title: 'WAITING', align: 'right', show: component => component.waiting },
  { title: 'CHECKED', show: component => showMoment(component.checkedAt) },
  {
    title: 'NEXT CHECK',
    show: component => (component.paused ? 'paused' : showMoment(component.nextCheckAt)),
  },
  { title: 'TROUBLE', show: component => component.checkError?.message ?? null },
]
