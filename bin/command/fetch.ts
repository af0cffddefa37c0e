import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { storeFlags } from '../option-flags.ts'
import { printJson, talk } from '../output.ts'
import { showSize } from '../show-size.ts'
import { openStatusLine } from '../status-line.ts'
import { untilStopped } from '../until-stopped.ts'

/** Brings the files of a version into a folder. */
export const fetchCommand: Command = defineCommand({
  name: 'fetch',
  summary: 'Bring the files of a published version into a folder, each verified',
  positionals: {
    component: 'The name of the component.',
    version: 'latest, a version or a range such as ^1.4.',
  },
  flags: {
    to: {
      type: 'string',
      requiresArg: true,
      describe: 'The folder: empty, or not there yet.',
      defaultDescription: 'the name of the component',
    },
    json: { type: 'boolean', describe: 'Print a JSON object.' },
    ...storeFlags,
  },
  examples: { 'fetch app latest --to /opt/app': 'as the servers do it for their runs' },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const [component, version] = [String(given['component']), String(given['version'])]
    const folder = typeof given.to === 'string' ? given.to : component
    const line = openStatusLine()
    const fetched = await untilStopped(signal =>
      withCluster(given, ({ components }) =>
        components.fetch(component, version, folder, {
          signal,
          onProgress: ({ bytes, of }) =>
            line?.show(`${component}: ${showSize(bytes)} of ${showSize(of.bytes)}`),
        }),
      ),
    ).finally(() => line?.end())
    if (typeof fetched === 'number') {
      talk(`stopped; nothing was left in ${folder}`)
      return fetched
    }
    if (given.json) await printJson(fetched)
    else
      talk(
        `${component} ${fetched.version} is in ${fetched.folder}: ${fetched.files} files, ${showSize(fetched.bytes)}`,
      )
    return exitCode.ok
  },
})
