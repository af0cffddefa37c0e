import type { Store } from '../artifact/store.ts'
import { Loop } from '../base/loop.ts'
import { jitter } from '../base/random.ts'
import { purgeImportLog } from '../db/component/log.ts'
import { removeSome } from '../db/component/removal.ts'
import { expireVersions, takeRetentionTurn, type Expired } from '../db/component/retention.ts'
import {
  closeDeadAttempts,
  doomObjects,
  findDoomed,
  findStrayObjects,
  findStrayTokens,
  findUnswept,
  forgetDoomed,
  markSwept,
} from '../db/component/sweep.ts'
import type { Database } from '../db/database.ts'
import { takeTurn } from '../db/settings.ts'

/** How often a server looks whether it is its turn to look for leftovers, in milliseconds, and how many it takes at a time. */
const everyMs = 60_000
const batch = 500

/** How often some server looks for them at the most, in milliseconds: less than from one pass of a server to its next. */
const turnMs = 25_000

/** How many rows of what was removed one statement takes. */
const rowsAtOnce = 5000

/** How often one server of all shortens the import logs, and goes through the whole store, in milliseconds. */
const logMs = 600_000
const dayMs = 86_400_000

export interface Swept {
  /** Attempts that came to nothing, and objects that no version has any more. */
  attempts: number
  objects: number
  /** What the objects had. */
  bytes: number
}

/**
 * Now and then removes what lost imports and removed versions have left in the store. One server of all does, whoever asks
 * first; several at once would do no harm.
 */
export function openStoreSweep(
  db: Database,
  store: Store,
  options: {
    mayBegin: () => boolean
    /** Aborted when the server stops: what is not done is done by another. */
    signal: AbortSignal
    onExpired: (version: Expired) => void
    onSwept: (swept: Swept) => void
    onError: (error: unknown, name: string) => void
  },
): Loop {
  return new Loop({
    name: 'store sweep',
    async pass() {
      if (options.mayBegin() && (await takeTurn(db, 'leftoversTurn', turnMs))) {
        const { signal } = options
        if (await takeTurn(db, 'importLogTurn', logMs)) await purgeImportLog(db)
        if (await takeRetentionTurn(db)) await expireAll(db, signal, options.onExpired)
        const swept = await sweep(db, store, signal)
        if (await takeTurn(db, 'sweepTurn', dayMs)) {
          const strays = await sweepAll(db, store, signal)
          swept.attempts += strays.attempts
          swept.objects += strays.objects
        }
        if (swept.attempts > 0 || swept.objects > 0) options.onSwept(swept)
      }
      return jitter(everyMs, 0.5)
    },
    onError: options.onError,
  })
}

/** A version may be the base of another, which has to go first: so it looks until none is left. */
async function expireAll(
  db: Database,
  signal: AbortSignal,
  onExpired: (version: Expired) => void,
): Promise<void> {
  while (!signal.aborted) {
    const expired = await expireVersions(db, batch)
    if (expired.length === 0) return
    for (const version of expired) onExpired(version)
  }
}

/** Removes what the database knows to be left over; not all of it when the signal is aborted. */
export async function sweep(db: Database, store: Store, signal: AbortSignal): Promise<Swept> {
  await closeDeadAttempts(db)
  const swept = { attempts: 0, objects: 0, bytes: 0 }
  for (const token of await findUnswept(db, batch)) {
    if (signal.aborted) return swept
    await store.removeAttempt(token)
    await markSwept(db, token)
    swept.attempts += 1
  }
  while (!signal.aborted && (await removeSome(db, rowsAtOnce)) > 0);
  while (!signal.aborted) {
    const { looked, later, objects, bytes } = await doomObjects(db, batch)
    swept.objects += objects
    swept.bytes += bytes
    await removeDoomed(db, store, signal)
    // What a publication is about to use is noted again behind the others.
    if (looked < batch || later > 0) break
  }
  return swept
}

async function removeDoomed(db: Database, store: Store, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const doomed = await findDoomed(db, batch)
    if (doomed.length === 0) return
    await store.remove(doomed)
    await forgetDoomed(db, doomed)
  }
}

/**
 * Goes through the whole store for what the database knows nothing of: a server that had lost its lock may have written on
 * for a moment, and a component may have been removed while one of its versions was imported.
 * @returns how many attempts and objects were removed
 */
export async function sweepAll(
  db: Database,
  store: Store,
  signal: AbortSignal,
): Promise<{ attempts: number; objects: number }> {
  const found = { attempts: 0, objects: 0 }
  for await (const token of store.tokens(signal)) {
    if (signal.aborted) return found
    const [stray] = await findStrayTokens(db, [token])
    if (stray) {
      await store.removeAttempt(token)
      found.attempts += 1
      continue
    }
    const hashes = await findStrayObjects(db, token, await store.objectsOf(token))
    await store.remove(hashes.map(hash => ({ token, hash })))
    found.objects += hashes.length
  }
  return found
}
