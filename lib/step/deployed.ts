import { resolveArgument, type Arg } from './argument.ts'
import type { ArtifactOutput } from './artifact.ts'
import { checkKeys, rejectFor } from './check-definition.ts'
import { contextOf } from './context.ts'
import { checkName } from './name.ts'
import { makeStep, type Step } from './step.ts'
import { watchWork } from './watch-work.ts'

export interface DeployedOptions {
  /** The name of the step. Defaults to `deployed` and the component's name. */
  name?: string
}

/** What a deployed step returns. */
export interface DeployedOutput {
  component: string
  version: string
  target: string
  /** The version that was on the target before; null for none. */
  previous: string | null
}

/**
 * A step that records in the inventory that a version is on a target now. When the process fails later, its undo takes
 * the line back, and what was there before counts again; also when the step itself was stopped, or its server was lost,
 * and nobody knows whether it has recorded anything.
 * @param taken the artifact step whose version it is
 * @throws {ClusterError} CW_DEFINITION when an argument cannot be used
 */
export function deployed<Input = any>(
  taken: Step<never, ArtifactOutput>,
  target: Arg<Input>,
  options: DeployedOptions = {},
): Step<Input, DeployedOutput> {
  const name = options.name ?? `${taken?.name} deployed`
  checkName(name, 'name')
  const reject = rejectFor(name)
  checkKeys(options, ['name'], '', reject)
  if (taken?.kind !== 'artifact')
    throw reject('taken', 'expected the step that deployed follows to be made by artifact()')
  return makeStep<Input, DeployedOutput>({
    name,
    kind: 'artifact',
    timeoutMs: undefined,
    fingerprint: JSON.stringify({ deployed: name, taken: taken.name, target: String(target) }),
    perform: run =>
      watchWork(run, undefined, name, async signal => {
        const context = contextOf(run, { signal })
        const { component, version } = context.output(taken)
        const where = resolveArgument(target, context, 'target')
        const previous = await run.artifacts.record(component, version, where, {
          requestId: run.requestId,
          step: run.step,
          signal,
        })
        return { component, version, target: where, previous }
      }),
    undo: run =>
      watchWork(run, undefined, name, signal => {
        const requestId = run.compensates ?? run.requestId
        return run.artifacts.unrecord({ requestId, step: run.step, signal })
      }),
    undoUnfinished: true,
  })
}
