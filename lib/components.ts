import {
  readCheckInterval,
  readComponent,
  type Component,
  type ComponentOptions,
} from './artifact/component.ts'
import { checkSource } from './artifact/source-types.ts'
import type { Duration } from './base/duration.ts'
import { cancelImport, type CancelledImport } from './db/component/cancel-import.ts'
import { askForCheck, findAnswer } from './db/component/checks.ts'
import {
  applyComponent,
  findComponent,
  listComponents,
  pauseComponent,
  removeComponent,
  type ComponentRow,
  type ComponentSummary,
} from './db/component/components.ts'
import {
  listInventory,
  type InventoryLine,
  type InventoryOptions,
} from './db/component/inventory.ts'
import { readImportLog, type ImportLogLine } from './db/component/log.ts'
import { setStatus } from './db/component/statuses.ts'
import { listVersions, wantImport, type VersionSummary } from './db/component/versions.ts'
import type { Database } from './db/database.ts'
import { writeSetting } from './db/settings.ts'
import { hintComponents } from './db/wake.ts'
import {
  fetchVersion,
  verifyAll,
  type FetchedVersion,
  type FetchOptions,
  type VerifiedStore,
  type VerifyAllOptions,
} from './component-files.ts'
import { ClusterError } from './errors.ts'
import type { ServerOptions } from './options.ts'
import { refusePaused, refuseUnknown, refuseVersion } from './refuse-component.ts'
import { StoreAccess } from './store-access.ts'
import { thisPerson } from './this-person.ts'
import { waitForAnswer, type ComponentWaitOptions } from './wait-for-answer.ts'
import { waitForImport } from './wait-for-import.ts'

/** A program's door to the components. Every method throws CW_COMPONENT_UNKNOWN for a name that nobody has applied. */
export class Components {
  readonly #db: Database
  readonly #access: StoreAccess
  readonly #write: <T>(work: () => Promise<T>) => Promise<T>

  /** @param write refuses what changes something where nothing may be changed */
  constructor(
    db: Database,
    settings: ServerOptions,
    write: <T>(work: () => Promise<T>) => Promise<T>,
  ) {
    this.#db = db
    this.#access = new StoreAccess(db, settings)
    this.#write = write
  }

  /**
   * Adds a component, or replaces the definition of the one of this name; the servers follow without a restart.
   * @throws {ClusterError} CW_COMPONENT, or CW_SOURCE_OPTION for one of its source, naming the field that is wrong
   */
  async apply(options: ComponentOptions): Promise<'created' | 'changed'> {
    const definition = readComponent(options)
    checkSource(definition)
    const { name, source } = definition
    const isNew = await this.#write(() =>
      applyComponent(this.#db, { name, sourceType: source.type, definition }),
    )
    await this.#hint()
    return isNew ? 'created' : 'changed'
  }

  /** All components, by their names. */
  list(): Promise<ComponentSummary[]> {
    return listComponents(this.#db)
  }

  async get(name: string): Promise<ComponentSummary> {
    const [component] = await listComponents(this.#db, name)
    return component ?? refuseUnknown(this.#db, name)
  }

  /** Lets nobody check or import it by itself until `resume`. What is under way goes on. */
  async pause(name: string): Promise<void> {
    const isKnown = await this.#write(() => pauseComponent(this.#db, name, true))
    if (!isKnown) await refuseUnknown(this.#db, name)
  }

  async resume(name: string): Promise<void> {
    const isKnown = await this.#write(() => pauseComponent(this.#db, name, false))
    if (!isKnown) await refuseUnknown(this.#db, name)
    await this.#hint()
  }

  /**
   * Removes a component, its versions and its inventory; another one may have its name at once. The sweep takes what it had
   * out of the database and the store, in groups.
   */
  async remove(name: string): Promise<void> {
    const isKnown = await this.#write(() => removeComponent(this.#db, name))
    if (!isKnown) await refuseUnknown(this.#db, name)
  }

  /**
   * Sets how often the sources of all components are asked that say nothing themselves; `undefined` for one minute.
   * It holds at once, for every server.
   */
  async setCheckInterval(interval: Duration | undefined): Promise<void> {
    const ms = interval === undefined ? null : readCheckInterval(interval, 'checkInterval')
    await this.#write(() => writeSetting(this.#db, 'checkInterval', ms))
    await this.#hint()
  }

  /**
   * Sets in which hours of the day versions that are too many or too old lose their files, from `from` until before `to`,
   * by UTC; `undefined` for any.
   */
  async setRetentionHours(hours: { from: number; to: number } | undefined): Promise<void> {
    if (
      hours &&
      (hours.from === hours.to ||
        ![hours.from, hours.to].every(hour => Number.isInteger(hour) && hour >= 0 && hour < 24))
    )
      throw new ClusterError('CW_OPTION', 'expected two different hours from 0 to 23', {
        field: 'hours',
      })
    await this.#write(() => writeSetting(this.#db, 'retentionHours', hours ?? null))
  }

  /** The versions of a component, the one that was found last first. */
  async versions(name: string, options: { limit?: number } = {}): Promise<VersionSummary[]> {
    const { id } = await this.#find(name)
    return listVersions(this.#db, id, { limit: options.limit ?? 100 })
  }

  /** @throws {ClusterError} CW_VERSION_UNKNOWN */
  async version(name: string, version: string): Promise<VersionSummary> {
    const { id } = await this.#find(name)
    const [found] = await listVersions(this.#db, id, { name: version, limit: 1 })
    return found ?? refuseVersion(this.#db, { id, name }, version)
  }

  /**
   * Has the source asked now, and waits until that is done. A check that begins after this call answers it, whoever asked
   * for it.
   * @throws {ClusterError} CW_WAIT_TIMEOUT when no server has done it in time; CW_COMPONENT_PAUSED; CW_SOURCE with why
   *   the check failed
   */
  async check(name: string, options: ComponentWaitOptions = {}): Promise<{ node: string | null }> {
    const asked = await this.#write(() => askForCheck(this.#db, name))
    if (asked === undefined) return refuseUnknown(this.#db, name)
    await this.#hint()
    const answer = await waitForAnswer(
      `no server has checked ${name}`,
      { timeout: '2m', ...options },
      async () => {
        const found = await findAnswer(this.#db, name, asked)
        if (!found) await refusePaused(this.#db, name)
        return found
      },
    )
    if (answer.error) throw new ClusterError('CW_SOURCE', answer.error.message)
    return { node: answer.node }
  }

  /**
   * Has a version imported by any server. One that is published already stays as it is.
   * @returns whether somebody has to do something; `waitForImport` waits for it
   * @throws {ClusterError} CW_VERSION_UNKNOWN
   */
  async import(name: string, version: string): Promise<boolean> {
    const { id } = await this.#find(name)
    const isWanted = await this.#write(() => wantImport(this.#db, id, version))
    if (isWanted === 'unknown') return refuseVersion(this.#db, { id, name }, version)
    if (isWanted) await this.#hint()
    return isWanted
  }

  /**
   * Withdraws what `import` asked for, or what a check has found to be imported. An import that is under way is stopped
   * within seconds, and publishes nothing any more. A version that is published stays as it is. Of an incremental component those
   * behind it wait for it, unless they are to be built without it (`skip`).
   * @throws {ClusterError} CW_VERSION_UNKNOWN
   */
  async cancelImport(
    name: string,
    version: string,
    { skip = false }: { readonly skip?: boolean } = {},
  ): Promise<CancelledImport> {
    const { id } = await this.#find(name)
    const cancelled = await this.#write(() => cancelImport(this.#db, id, version, skip))
    if (!cancelled) return refuseVersion(this.#db, { id, name }, version)
    await this.#hint()
    return cancelled
  }

  /**
   * Waits until a version is published.
   * @param onProgress is told how far the import is, each time somebody looks
   * @throws {ClusterError} CW_WAIT_TIMEOUT; CW_COMPONENT_PAUSED; CW_CANCELLED when nobody wants it imported any more;
   *   CW_SOURCE with why the import failed. It is tried again
   */
  waitForImport(
    name: string,
    version: string,
    options: ComponentWaitOptions & { onProgress?: (version: VersionSummary) => void } = {},
  ): Promise<VersionSummary> {
    const { onProgress, ...limits } = options
    return waitForImport(`${name} ${version}`, limits, {
      look: async () => {
        const summary = await this.version(name, version)
        onProgress?.(summary)
        return summary
      },
      refuse: () => refusePaused(this.#db, name),
    })
  }

  /**
   * Says something of a version, such as `passed-qa`; steps can ask for it.
   * @throws {ClusterError} CW_VERSION_UNKNOWN, CW_OPTION for a name that cannot be a status
   */
  async setStatus(name: string, version: string, status: string): Promise<void> {
    await this.#changeStatus(name, version, status, true)
  }

  /** Takes a status away. @throws {ClusterError} CW_VERSION_UNKNOWN */
  async clearStatus(name: string, version: string, status: string): Promise<void> {
    await this.#changeStatus(name, version, status, false)
  }

  /**
   * Brings the files of a published version into a folder, each verified: all of them, or none when it fails. The folder is
   * made; one that has something in it already is refused.
   * @param version `latest`, a version or a range
   * @throws {ClusterError} CW_VERSION_UNKNOWN, CW_OPTION, CW_OBJECT_MISSING, CW_OBJECT_CORRUPT, and what the store throws; the
   *   signal's reason when it was aborted
   */
  async fetch(
    name: string,
    version: string,
    folder: string,
    options: FetchOptions = {},
  ): Promise<FetchedVersion> {
    const component = await this.#find(name)
    return fetchVersion(this.#db, this.#access, { component, version, folder }, options)
  }

  /**
   * Reads every object that published versions need, and compares it with what was published.
   * @throws {ClusterError} what the store throws when it cannot be asked
   */
  verify(options: VerifyAllOptions = {}): Promise<VerifiedStore> {
    return verifyAll(this.#db, this.#access, options)
  }

  /** What is on which target now; with `history`, every line that there ever was, the newest first. */
  inventory(options: InventoryOptions = {}): Promise<InventoryLine[]> {
    const { history = false, limit = 1000, ...about } = options
    return listInventory(this.#db, { ...about, history, limit })
  }

  /** The last lines of a component's import log, the oldest of them first. */
  async log(name: string, options: { limit?: number } = {}): Promise<ImportLogLine[]> {
    const { id } = await this.#find(name)
    return readImportLog(this.#db, id, options.limit ?? 100)
  }

  async #changeStatus(
    name: string,
    version: string,
    status: string,
    isSet: boolean,
  ): Promise<void> {
    if (!/^\S.{0,58}\S$|^\S$/u.test(status))
      throw new ClusterError('CW_OPTION', 'expected status to be a name of 1 to 60 characters', {
        field: 'status',
      })
    const { id: componentId } = await this.#find(name)
    const change = { componentId, version, status, by: thisPerson(), isSet }
    const isKnown = await this.#write(() => setStatus(this.#db, change))
    if (!isKnown) await refuseVersion(this.#db, { id: componentId, name }, version)
  }

  async #find(name: string): Promise<ComponentRow<Component>> {
    const found = await findComponent(this.#db, name)
    return (found as ComponentRow<Component> | undefined) ?? refuseUnknown(this.#db, name)
  }

  /** Only a hint: without it the servers find out by themselves, some seconds later. */
  async #hint(): Promise<void> {
    await hintComponents(this.#db).catch(() => undefined)
  }
}
