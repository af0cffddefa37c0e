import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Cache } from './artifact/cache.ts'
import { chooseVersion, checkVersionSpec } from './artifact/version-spec.ts'
import { eachParallel } from './base/each-parallel.ts'
import { findComponent } from './db/component/components.ts'
import { listFiles } from './db/component/files.ts'
import { findTargetVersions, recordDeployment, undoDeployment } from './db/component/inventory.ts'
import { findUse, listPublished, recordUse, type PublishedVersionRow } from './db/component/use.ts'
import type { Database } from './db/database.ts'
import { untilAnswered } from './db/until-answered.ts'
import { ClusterError } from './errors.ts'
import type {
  ArtifactRun,
  Artifacts,
  PutVersion,
  RecordingStep,
  VersionWish,
} from './step/artifacts.ts'

/** How many files are brought at once. */
const filesAtOnce = 8

/** A version that was chosen may expire before the choice is recorded; then the next one is chosen. */
const mostChoices = 5

/** What the steps of this server do with components. */
export class ArtifactShelf implements Artifacts {
  readonly #db: Database
  readonly #openCache: () => Promise<Cache>

  /** @param openCache gives the same cache each time */
  constructor(db: Database, openCache: () => Promise<Cache>) {
    this.#db = db
    this.#openCache = openCache
  }

  async put(
    wish: VersionWish,
    folder: string,
    { requestId, signal }: ArtifactRun,
  ): Promise<PutVersion> {
    const { id, name } = await untilAnswered(signal, () => this.#take(wish, requestId))
    const files = await untilAnswered(signal, () => listFiles(this.#db, id))
    if (!files) throw gone(wish.component, name)
    const cache = await this.#openCache()
    for (const parent of new Set(files.map(({ path }) => dirname(join(folder, path)))))
      await mkdir(parent, { recursive: true, mode: 0o700 })
    await eachParallel(files, filesAtOnce, file => {
      const { path, executable } = file
      return untilAnswered(signal, () =>
        cache.materialise(file, join(folder, path), { signal, executable }),
      )
    })
    const bytes = files.reduce((sum, { size }) => sum + size, 0)
    return { version: name, files: files.length, bytes }
  }

  async record(
    component: string,
    version: string,
    target: string,
    { requestId, step, signal }: RecordingStep,
  ): Promise<string | null> {
    const { componentId, current } = await untilAnswered(signal, async () => {
      const { id } = await this.#find(component)
      return { componentId: id, ...(await findTargetVersions(this.#db, target, id)) }
    })
    const deployment = { target, componentId, version, by: { requestId, step } }
    const answer = await untilAnswered(signal, () => recordDeployment(this.#db, deployment))
    if (answer === 'unknown version') throw gone(component, version)
    if (answer === 'not running')
      throw new ClusterError(
        'CW_NODE_LOST',
        `nothing was recorded for ${target}: this server was declared lost, and request ${requestId} has failed`,
      )
    return current
  }

  async unrecord({ requestId, step, signal }: RecordingStep): Promise<void> {
    await untilAnswered(signal, () => undoDeployment(this.#db, { requestId, step }))
  }

  /** The version that the run takes, which is recorded. */
  async #take(wish: VersionWish, requestId: string): Promise<PublishedVersionRow> {
    const { id: componentId } = await this.#find(wish.component)
    const spec = describeWish(wish)
    const taken = await findUse(this.#db, requestId, componentId, spec)
    if (taken) return taken
    for (let choice = 1; choice <= mostChoices; choice++) {
      const { id: versionId } = await this.#choose(wish, componentId)
      const use = await recordUse(this.#db, { requestId, componentId, spec, versionId })
      if (use) return use
    }
    throw gone(wish.component, wish.version)
  }

  async #choose(wish: VersionWish, componentId: number): Promise<PublishedVersionRow> {
    const { component, statuses } = wish
    const spec = await this.#specOf(wish, componentId)
    const chosen = chooseVersion(spec, await listPublished(this.#db, componentId, statuses))
    if (chosen) return chosen
    const ungated = chooseVersion(spec, await listPublished(this.#db, componentId, []))
    if (ungated)
      throw new ClusterError(
        'CW_VERSION_GATE',
        `${component} ${ungated.name} may not be used: it does not have the status ${statuses.map(one => `'${one}'`).join(' and ')}`,
        { field: 'version' },
      )
    throw new ClusterError(
      'CW_VERSION_UNKNOWN',
      `${component} has no published version '${spec}'; cluster-worker versions ${component} shows what there is`,
      { field: 'version' },
    )
  }

  async #specOf({ component, version, target }: VersionWish, componentId: number): Promise<string> {
    if (version !== 'previous') return checkVersionSpec(version, 'version')
    if (target === undefined)
      throw new ClusterError('CW_OPTION', "expected a target with the version 'previous'", {
        field: 'target',
      })
    const { previous } = await findTargetVersions(this.#db, target, componentId)
    if (previous !== null) return previous
    throw new ClusterError(
      'CW_VERSION_UNKNOWN',
      `no version of ${component} was on ${target} before the present one`,
      { field: 'version' },
    )
  }

  async #find(component: string): Promise<{ id: number }> {
    const found = await findComponent(this.#db, component)
    if (found) return found
    throw new ClusterError('CW_COMPONENT_UNKNOWN', `there is no component '${component}'`, {
      field: 'component',
    })
  }
}

/** What a run asks for, as it is recorded: the same words get the same version again. */
function describeWish({ version, target, statuses }: VersionWish): string {
  const of = target === undefined ? '' : ` of ${target}`
  const status = statuses.length === 0 ? '' : ` with ${statuses.toSorted().join(', ')}`
  return version + of + status
}

function gone(component: string, version: string): ClusterError {
  return new ClusterError(
    'CW_VERSION_UNKNOWN',
    `${component} ${version} is not published any more; cluster-worker import ${component} ${version} brings it back`,
    { field: 'version' },
  )
}
