import { randomUUID } from 'node:crypto'
import type { Component } from '../artifact/component.ts'
import {
  beginCheck,
  findDueChecks,
  recordCheck,
  recordFailedCheck,
  type BegunCheck,
} from '../db/component/checks.ts'
import type { LockSession } from '../db/lock-session.ts'
import type { FoundVersion } from '../artifact/source.ts'
import type { ComponentWork } from './component-work.ts'
import { LockedWork } from './locked-work.ts'
import { storedErrorOf } from './stored-error.ts'

/** How many sources a server asks at once. */
const checksAtOnce = 4

/** Asks the sources of components for new versions: each source once per interval, by one server of the cluster. */
export function openVersionChecks(
  parts: ComponentWork,
  isOn: boolean,
): LockedWork<{ id: number; name: string }> {
  const { db, node, sources, mayBegin, onError } = parts
  return new LockedWork({
    name: 'version check',
    db,
    node,
    limit: isOn ? checksAtOnce : 0,
    kind: 'component',
    numberOf: ({ id }) => String(id),
    find: () => findDueChecks(db, sources.types),
    work: (item, session, signal) => check(parts, item.id, session, signal),
    mayBegin,
    onError,
  })
}

async function check(
  parts: ComponentWork,
  componentId: number,
  session: LockSession,
  signal: AbortSignal,
): Promise<void> {
  const { db, node, events } = parts
  const begun = await beginCheck(db, session, componentId, node)
  if (!begun) return
  const component = begun.component.definition as Component
  try {
    const versions = await askSource(parts, begun, signal)
    const isAutomatic = component.import === 'automatic'
    const found = await recordCheck(db, session, begun, versions, isAutomatic)
    if (found.length > 0) events.versionsFound({ component: begun.component.name, versions: found })
  } catch (error) {
    // Without the lock somebody else checks, and records how that goes.
    if (signal.aborted) throw error
    await recordFailedCheck(db, session, begun, storedErrorOf(error))
    events.checkFailed({ component: begun.component.name, error })
  }
}

async function askSource(
  { sources }: ComponentWork,
  { component: { id, definition } }: BegunCheck,
  signal: AbortSignal,
): Promise<FoundVersion[]> {
  const component = definition as Component
  const limit = AbortSignal.timeout(component.checkTimeout)
  return sources.use(
    { token: randomUUID(), componentId: id, component, signal: AbortSignal.any([signal, limit]) },
    (source, context) => source.listVersions(context),
  )
}
