import type { Finding } from './base/finding.ts'
import { writeAndReadBack } from './artifact/probe.ts'
import { readStoreUrl } from './artifact/store/store-url.ts'
import type { Database } from './db/database.ts'
import type { ExaminedStore } from './doctor/check-store.ts'
import { examine, type Patient } from './doctor/examine.ts'
import { ClusterError } from './errors.ts'
import type { ServerOptions } from './options.ts'
import { StoreAccess } from './store-access.ts'

/** How long writing and reading back may take, in milliseconds. */
const tryMs = 60_000

type ExaminedSettings = Patient['settings'] & StoreSettings
type StoreSettings = Pick<ServerOptions, 'store' | 'storeDelay' | 'cacheSize' | 'dataDir' | 'role'>

/** Examines everything, the store too. @returns the worst first */
export async function examineInstallation(
  db: Database,
  settings: ExaminedSettings,
): Promise<Finding[]> {
  const store = openExaminedStore(db, settings)
  try {
    return await examine({ db, settings, store })
  } finally {
    await store.close()
  }
}

/**
 * Lets somebody look at the store, who is to call `close` afterwards.
 * @throws {ClusterError} CW_OPTION when the option names no store
 */
export function openExaminedStore(
  db: Database,
  settings: StoreSettings,
): ExaminedStore & { close(): Promise<void> } {
  const access = new StoreAccess(db, settings)
  const location = readStoreUrl(settings.store)
  return {
    description: access.store.description,
    folder: location.kind === 'folder' ? location.path : undefined,
    mayWrite: settings.role !== 'read-only',
    async recognise() {
      try {
        await access.recognise()
        return 'ours'
      } catch (error) {
        if (error instanceof ClusterError && error.details['isNew'] === true) return 'new'
        throw error
      }
    },
    tryWriting: () => writeAndReadBack(access.store, AbortSignal.timeout(tryMs)),
    close: () => access.store.close(),
  }
}
