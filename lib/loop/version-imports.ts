import { randomUUID } from 'node:crypto'
import type { Component } from '../artifact/component.ts'
import { importVersion } from '../artifact/import-version.ts'
import { monotonic } from '../base/clock.ts'
import {
  beginAttempt,
  failAttempt,
  findDueImports,
  findKnown,
  findPublication,
  noteProgress,
  type WantedVersion,
} from '../db/component/imports.ts'
import { publish } from '../db/component/publish.ts'
import type { LockSession } from '../db/lock-session.ts'
import type { ComponentWork, PublishedVersion } from './component-work.ts'
import { LockedWork } from './locked-work.ts'
import { storedErrorOf } from './stored-error.ts'

/** How often an import tells how far it is, in milliseconds. */
const progressMs = 2000

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
    const imported = await doImport(parts, wanted, token, session, signal)
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
    await failAttempt(db, { token, versionId: wanted.id }, storedErrorOf(error), signal.aborted)
    events.importFailed({ ...names, error })
  }
}

function doImport(
  { db, store, sources }: ComponentWork,
  wanted: WantedVersion,
  token: string,
  session: LockSession,
  signal: AbortSignal,
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
        publish: (files, sealed) =>
          publish(db, session, {
            token,
            versionId,
            files,
            sealed,
            isIncremental: component.versions === 'incremental',
            triggers: component.onNewVersion.map(({ process, input }) => ({
              process,
              input: { component: component.name, version: name, ...input },
            })),
          }),
        onProgress: everyNowAndThen((files, bytes) => noteProgress(db, token, files, bytes)),
      }),
  )
}

/** Progress is for those who look; an import does not wait for it. */
function everyNowAndThen(
  note: (files: number, bytes: number) => Promise<void>,
): (files: number, bytes: number) => void {
  let notedAt = monotonic()
  return (files, bytes) => {
    if (monotonic() - notedAt < progressMs) return
    notedAt = monotonic()
    note(files, bytes).catch(() => undefined)
  }
}
