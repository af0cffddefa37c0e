import { nearestName } from './base/nearest-name.ts'
import { listComponentNames, listComponents } from './db/component/components.ts'
import { listVersions } from './db/component/versions.ts'
import type { Database } from './db/database.ts'
import { ClusterError } from './errors.ts'

/** @throws {ClusterError} CW_COMPONENT_UNKNOWN, with the name that may be meant */
export async function refuseUnknown(db: Database, name: string): Promise<never> {
  const near = nearestName(name, await listComponentNames(db))
  throw new ClusterError(
    'CW_COMPONENT_UNKNOWN',
    `there is no component '${name}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
    { field: 'component' },
  )
}

/** @throws {ClusterError} CW_VERSION_UNKNOWN, with the version that may be meant */
export async function refuseVersion(
  db: Database,
  { id, name }: { id: number; name: string },
  version: string,
): Promise<never> {
  const names = (await listVersions(db, id, { limit: 1000 })).map(known => known.name)
  const near = nearestName(version, names)
  throw new ClusterError(
    'CW_VERSION_UNKNOWN',
    `${name} has no version '${version}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
    { field: 'version' },
  )
}

/** Who waits for a server to do something would wait for ever. @throws {ClusterError} CW_COMPONENT_PAUSED */
export async function refusePaused(db: Database, name: string): Promise<void> {
  const [component] = await listComponents(db, name)
  if (component?.paused)
    throw new ClusterError(
      'CW_COMPONENT_PAUSED',
      `${name} is paused, so no server does it; cluster-worker components resume ${name}`,
      { field: 'component' },
    )
}
