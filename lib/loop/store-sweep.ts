import type { Store } from '../artifact/store.ts'
import { Loop } from '../base/loop.ts'
import { jitter } from '../base/random.ts'
import { purgeImportLog } from '../db/component/log.ts'
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

/** How often a server looks for leftovers, in milliseconds, and how many it takes at a time. */
const everyMs = 60_000
const batch = 500

export interface Swept {
  /** Attempts that came to nothing, and objects that no version has any more. */
  attempts: number
  objects: number
  /** What the objects had. */
  bytes: number
}

/** Now and then removes what lost imports and removed versions have left in the store. Every server may, at any time. */
export function openStoreSweep(
  db: Database,
  store: Store,
  options: {
    mayBegin: () => boolean
    onExpired: (version: Expired) => void
    onSwept: (swept: Swept) => void
    onError: (error: unknown, name: string) => void
  },
): Loop {
  return new Loop({
    name: 'store sweep',
    async pass() {
      if (options.mayBegin()) {
        if (await takeRetentionTurn(db)) await expireAll(db, options.onExpired)
        const swept = await sweep(db, store)
        if (swept.attempts > 0 || swept.objects > 0) options.onSwept(swept)
      }
      return jitter(everyMs, 0.5)
    },
    onError: options.onError,
  })
}

async function expireAll(db: Database, onExpired: (version: Expired) => void): Promise<void> {
  await purgeImportLog(db)
  for (;;) {
    const expired = await expireVersions(db, batch)
    for (const version of expired) onExpired(version)
    if (expired.length < batch) return
  }
}

/** Removes what the database knows to be left over. */
export async function sweep(db: Database, store: Store): Promise<Swept> {
  await closeDeadAttempts(db)
  const swept = { attempts: 0, objects: 0, bytes: 0 }
  for (const token of await findUnswept(db, batch)) {
    await store.removeAttempt(token)
    await markSwept(db, token)
    swept.attempts += 1
  }
  const { objects, bytes } = await doomObjects(db, batch)
  for (;;) {
    const doomed = await findDoomed(db, batch)
    if (doomed.length === 0) return { ...swept, objects, bytes }
    await store.remove(doomed)
    await forgetDoomed(db, doomed)
  }
}

/**
 * Goes through the whole store for what the database knows nothing of: a server that had lost its lock may have written on
 * for a moment.
 * @returns how many attempts and objects were removed
 */
export async function sweepAll(
  db: Database,
  store: Store,
  signal: AbortSignal,
): Promise<{ attempts: number; objects: number }> {
  const found = { attempts: 0, objects: 0 }
  for await (const token of store.tokens(signal)) {
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
