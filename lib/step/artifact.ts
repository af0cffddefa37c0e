import { isAbsolute, join, normalize } from 'node:path'
import type { Duration } from '../base/duration.ts'
import { resolveArgument, type Arg } from './argument.ts'
import { checkKeys, kindOf, readTimeout, rejectFor, type Reject } from './check-definition.ts'
import { contextOf } from './context.ts'
import { checkName } from './name.ts'
import { makeStep, type Step } from './step.ts'
import { watchWork } from './watch-work.ts'

export interface ArtifactOptions<Input> {
  /** The name of the step. Defaults to `artifact` and the component's name. */
  name?: string
  /** The folder for the files, below the run's own folder. Defaults to the run's folder itself. */
  to?: string
  /** The statuses that the version must have; a version without them fails the step with CW_VERSION_GATE. Defaults to none. */
  status?: string | readonly string[]
  /** For the version `previous`: the target whose previous version is meant. */
  target?: Arg<Input>
  /** How long it may take. Defaults to no limit. */
  timeout?: Duration
}

/** What an artifact step returns. */
export interface ArtifactOutput {
  component: string
  /** The version that was taken for what was asked. */
  version: string
  /** Where its files are, for as long as the run lasts. */
  folder: string
  files: number
  bytes: number
}

/**
 * A step that puts the files of a component's version into the run's folder, each verified by its hash. The version that
 * it takes is recorded with the request, and kept as long as the request runs.
 * @param version `latest`, the version that was found last; a version; a range such as `^1.4`, the highest version in it;
 *   or `previous`, the one that was on `target` before the present one
 * @throws {ClusterError} CW_DEFINITION when an argument cannot be used
 */
export function artifact<Input = any>(
  component: string,
  version: Arg<Input>,
  options: ArtifactOptions<Input> = {},
): Step<Input, ArtifactOutput> {
  const name = options.name ?? `artifact ${component}`
  checkName(name, 'name')
  const reject = rejectFor(name)
  checkKeys(options, ['name', 'to', 'status', 'target', 'timeout'], '', reject)
  if (typeof component !== 'string' || component === '')
    throw reject('component', `expected component to be a name, got ${kindOf(component)}`)
  const { target } = options
  const to = readFolder(options.to ?? '.', reject)
  const statuses = readStatuses(options.status ?? [], reject)
  const timeoutMs = readTimeout(options.timeout, 'timeout', name)

  return makeStep<Input, ArtifactOutput>({
    name,
    kind: 'artifact',
    timeoutMs,
    fingerprint: JSON.stringify({
      artifact: name,
      component,
      version: String(version),
      target: target === undefined ? undefined : String(target),
      to,
      statuses,
      timeoutMs,
    }),
    perform: run =>
      watchWork(run, timeoutMs, `artifact ${component}`, async signal => {
        const context = contextOf(run, { signal })
        const wish = {
          component,
          version: resolveArgument(version, context, 'version'),
          target: target === undefined ? undefined : resolveArgument(target, context, 'target'),
          statuses,
        }
        const folder = join(await run.workFolder(), to)
        const put = await run.artifacts.put(wish, folder, { requestId: run.requestId, signal })
        run.log(`${component} ${put.version}: ${put.files} files, ${put.bytes} bytes`)
        return { component, ...put, folder }
      }),
    undo: undefined,
    undoUnfinished: false,
  })
}

function readFolder(to: unknown, reject: Reject): string {
  const folder = typeof to === 'string' ? normalize(to) : undefined
  if (folder === undefined || isAbsolute(folder) || /^\.\.(\/|$)|\0/.test(folder))
    throw reject('to', `expected to to be a folder below the run's own, got ${String(to)}`)
  return folder
}

function readStatuses(status: string | readonly string[], reject: Reject): readonly string[] {
  const statuses = typeof status === 'string' ? [status] : status
  if (!Array.isArray(statuses) || !statuses.every(one => typeof one === 'string' && one !== ''))
    throw reject('status', 'expected status to be a name or a list of names')
  return statuses
}
