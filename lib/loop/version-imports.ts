import { randomUUID } from 'node:crypto'
import type { Component } from '../artifact/component.ts'
import { importVersion } from '../artifact/import-version.ts'
import {
  beginAttempt,
  failAttempt,
  findDueImports,
  findKnown,
  findPublication,
  type WantedVersion,
} from '../db/component/imports.ts'
import { publish } from '../db/component/publish.ts'
import type { LockSession } from '../db/lock-session.ts'
import { AttemptWatch } from './attempt-watch.ts'
import type { ComponentWork, PublishedVersion } from './component-work.ts'
import { LockedWork } from './locked-work.ts'
import { storedErrorOf } from './stored-error.ts'

/** Imports versions: each once, by one server of the cluster at a time. */
export function openVersionImports(
  parts: ComponentWork,
  importsAtOnce: number,
): LockedWork<WantedVersion> {
  const { db, node, sources, mayBegin, onError } = parts
  return new LockedWork({
    name: 'version import',
    db,
    node,
    limit: importsAtOnce,
    kind: 'version',
    numberOf: ({ id }) => id,
    find: limit => findDueImports(db, sources.types, limit),
    work: (wanted, session, signal) => importOne(parts, wanted, session, signal),
    mayBegin,
    onError,
  })
}

async function importOne(
  parts: ComponentWork,
  wanted: WantedVersion,
  session: LockSession,
  signal: AbortSignal,
): Promise<void> {
  const { db, node, events } = parts
  const token = randomUUID()
  if (!(await beginAttempt(db, session, { token, versionId: wanted.id, node }))) return
  const names = { component: wanted.component.name, version: wanted.name }
  try {
    const imported = await doWatched(parts, wanted, token, session, signal)
    events.versionPublished({ ...names, ...imported })
  } catch (error) {
    // The answer to the commit may have been lost, and not the commit.
    const done = await findPublication(db, wanted.id)
    if (done?.token === token)
      return events.versionPublished({
        ...names,
        files: done.files,
        bytes: done.bytes,
        newBytes: null,
      })
    const attempt = { token, versionId: wanted.id }
    const outcome = await failAttempt(db, attempt, storedErrorOf(error), signal.aborted)
    if (outcome === 'cancelled') events.importCancelled(names)
    else events.importFailed({ ...names, error })
  }
}

/** Does the import until it is done, or its attempt is closed. */
async function doWatched(
  parts: ComponentWork,
  wanted: WantedVersion,
  token: string,
  session: LockSession,
  signal: AbortSignal,
): ReturnType<typeof doImport> {
  const watch = new AttemptWatch(parts.db, token)
  try {
    const ended = AbortSignal.any([signal, watch.closed])
    return await doImport(parts, wanted, token, { session, watch, signal: ended })
  } finally {
    await watch.stop()
  }
}

function doImport(
  { db, store, sources }: ComponentWork,
  wanted: WantedVersion,
  token: string,
  { session, watch, signal }: { session: LockSession; watch: AttemptWatch; signal: AbortSignal },
): Promise<Omit<PublishedVersion, 'component' | 'version'>> {
  const component = wanted.component.definition as Component
  const { id: versionId, name, ref } = wanted
  const limit = AbortSignal.timeout(component.importTimeout)
  return sources.use(
    {
      token,
      componentId: wanted.component.id,
      component,
      signal: AbortSignal.any([signal, limit]),
    },
    (source, context) =>
      importVersion({
        component,
        version: { name, ref },
        source,
        context,
        store,
        token,
        findKnown: hashes => findKnown(db, hashes),
        publish: async (files, sealed) => {
          // From here on it is the attempt's row that decides; who looked at it would wait for the publication.
          await watch.stop()
          return publish(db, session, {
            token,
            versionId,
            files,
            sealed,
            isIncremental: component.versions === 'incremental',
            triggers: component.onNewVersion.map(({ process, input }) => ({
              process,
              input: { component: component.name, version: name, ...input },
            })),
          })
        },
        onProgress: (files, bytes) => watch.note(files, bytes),
      }),
  )
}
