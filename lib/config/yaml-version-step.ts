import { ClusterError } from '../errors.ts'
import { artifact, type ArtifactOutput } from '../step/artifact.ts'
import { deployed } from '../step/deployed.ts'
import type { Step } from '../step/step.ts'
import { readTemplate, type EarlierSteps, type Template } from './template.ts'
import type { YamlStep } from './yaml-shape.ts'
import type { Path } from './yaml-source.ts'
import type { Attempt } from './yaml-step.ts'

/** Keys of a step that are for commands only. */
const commandOnly = ['cwd', 'env', 'undo', 'undoUnfinished', 'outputLimit', 'successCodes'] as const

/** Builds a step that takes a version, or records where it is. */
export function buildVersionStep(
  step: YamlStep,
  path: Path,
  earlier: EarlierSteps,
  attempt: Attempt,
): Step<unknown, unknown> | undefined {
  for (const key of commandOnly)
    if (step[key] !== undefined)
      attempt([...path, key], () => {
        throw new ClusterError('CW_DEFINITION', `${key} is for commands only`)
      })
  const text = (value: string, ...keys: string[]): Template =>
    attempt([...path, ...keys], () => readTemplate(value, earlier)) ?? value
  const { name, timeout, artifact: wish, deployed: place } = step
  if (wish) {
    const { component, version = 'latest', to, status, target } = wish
    return attempt([...path, 'artifact'], () =>
      artifact(component, text(version, 'artifact', 'version'), {
        name,
        ...(to !== undefined && { to }),
        ...(status !== undefined && { status }),
        ...(target !== undefined && { target: text(target, 'artifact', 'target') }),
        ...(timeout !== undefined && { timeout }),
      }),
    )
  }
  return attempt([...path, 'deployed'], () => {
    const taken = earlier.get(place?.step ?? '')
    if (!taken?.results.includes('version'))
      throw new ClusterError(
        'CW_DEFINITION',
        `expected an earlier step that takes a version, got '${place?.step}'`,
      )
    const target = text(place?.target ?? '', 'deployed', 'target')
    return deployed(taken.get() as Step<never, ArtifactOutput>, target, { name })
  })
}
