import { cancelImport } from '../../../lib/db/component/cancel-import.ts'
import {
  askForCheck,
  beginCheck,
  recordCheck,
  recordFailedCheck,
} from '../../../lib/db/component/checks.ts'
import {
  applyComponent,
  pauseComponent,
  removeComponent,
} from '../../../lib/db/component/components.ts'
import { beginAttempt, failAttempt, noteProgress } from '../../../lib/db/component/imports.ts'
import { recordDeployment, undoDeployment } from '../../../lib/db/component/inventory.ts'
import { appendImportLog } from '../../../lib/db/component/log.ts'
import { publish } from '../../../lib/db/component/publish.ts'
import { purgeAttempts, purgeInventory } from '../../../lib/db/component/purge.ts'
import {
  removeFiles,
  removePublications,
  removeVersions,
} from '../../../lib/db/component/removal.ts'
import { expireVersions } from '../../../lib/db/component/retention.ts'
import { setStatus } from '../../../lib/db/component/statuses.ts'
import {
  closeDeadAttempts,
  doomObjects,
  findDoomed,
  forgetDoomed,
  markSwept,
} from '../../../lib/db/component/sweep.ts'
import { recordUse } from '../../../lib/db/component/use.ts'
import { wantImport } from '../../../lib/db/component/versions.ts'
import type { Database } from '../../../lib/db/database.ts'
import { finish } from '../../../lib/db/finish.ts'
import { declareLost } from '../../../lib/db/incarnations.ts'
import type { LockSession } from '../../../lib/db/lock-session.ts'
import { tryLock } from '../../../lib/db/locks.ts'
import { purgeFinished } from '../../../lib/db/purge.ts'
import { enqueueBatch } from '../../../lib/db/requests.ts'
import { success } from '../../support/rows.ts'
import { findBroken, it, layOut, readRows, type ComponentFixture } from './component-fixture.ts'
import type { Act, Scene } from './scene.ts'

const hour = 3_600_000
const begun = {
  component: { id: it.component, name: 'app', definition: {} },
  asked: '1',
}
const attempt = { token: it.attempt, versionId: it.importing }
const failure = { code: 'CW_SOURCE', message: 'no route' } as const
const version = { componentId: it.component, version: it.current }
const another = 'b0000000-0000-4000-8000-000000000000'

/** The session of a lock, which here no lock needs. */
function asSession(db: Database): LockSession {
  const session: Pick<LockSession, 'query' | 'transaction'> = {
    query: statement => db.query(statement),
    transaction: work => db.transaction(work),
  }
  return session as LockSession
}

/** As a server does it: on a session that holds the version's lock. */
async function begin(db: Database, versionId: string, token: string): Promise<boolean | 'taken'> {
  if (!(await tryLock(db, db.t, 'version', versionId))) return 'taken'
  return beginAttempt(db, asSession(db), { token, versionId, node: it.node })
}

const acts: Readonly<Record<string, Act<ComponentFixture>>> = {
  apply: {
    run: db => applyComponent(db, { name: 'app', sourceType: 'folder', definition: { keep: {} } }),
  },
  pause: { run: db => pauseComponent(db, 'app', true) },
  remove: { run: db => removeComponent(db, 'app') },
  'remove files': { run: db => removeFiles(db, 100) },
  'remove publications': { fixtures: ['removed'], run: db => removePublications(db, 100) },
  'remove versions': { fixtures: ['removed'], run: db => removeVersions(db, 100) },
  ask: { run: db => askForCheck(db, 'app') },
  'begin a check': { run: db => beginCheck(db, asSession(db), it.component, it.node) },
  'record a check': {
    run: db => recordCheck(db, asSession(db), begun, [{ name: it.old }, { name: 'new' }], true),
  },
  'fail a check': { run: db => recordFailedCheck(db, asSession(db), begun, failure) },
  wish: { run: db => wantImport(db, it.component, it.wanted) },
  'wish for it again': { run: db => wantImport(db, it.component, it.importing) },
  cancel: { run: db => cancelImport(db, it.component, it.wanted) },
  'cancel under way': { run: db => cancelImport(db, it.component, it.importing) },
  begin: { run: db => begin(db, it.wanted, it.next) },
  'begin anew': { run: db => begin(db, it.importing, another) },
  progress: { run: db => noteProgress(db, it.attempt, 1, 3) },
  fail: { run: db => failAttempt(db, attempt, failure, false) },
  publish: {
    run: db =>
      publish(db, asSession(db), {
        ...attempt,
        files: [it.known, it.fresh].map((hash, index) => ({
          path: `f${index}`,
          hash,
          size: 3,
          executable: false,
          modifiedAt: null,
        })),
        sealed: new Set([it.fresh]),
        isIncremental: true,
        triggers: [{ process: 'fresh', input: {} }],
      }),
  },
  'close dead attempts': { run: db => closeDeadAttempts(db) },
  swept: { run: db => markSwept(db, it.failed) },
  doom: { run: db => doomObjects(db, 100) },
  forget: { run: async db => forgetDoomed(db, await findDoomed(db, 1)) },
  expire: { run: db => expireVersions(db, 100) },
  'set a status': {
    run: db => setStatus(db, { ...version, status: 'fine', by: 'eve', isSet: true }),
  },
  'clear a status': {
    run: db => setStatus(db, { ...version, status: 'good', by: 'eve', isSet: false }),
  },
  use: {
    run: db =>
      recordUse(db, {
        requestId: it.running,
        componentId: it.component,
        spec: 'x',
        versionId: it.old,
      }),
  },
  deploy: {
    run: db =>
      recordDeployment(db, {
        ...version,
        target: 'web',
        by: { requestId: it.running, step: 'again' },
      }),
  },
  'undo a deployment': {
    run: db => undoDeployment(db, { requestId: it.running, step: 'there' }),
  },
  'add to the log': { run: db => appendImportLog(db, it.component, it.attempt, ['a']) },
  'purge attempts': { run: db => purgeAttempts(db, hour) },
  'purge the inventory': { run: db => purgeInventory(db, hour) },
  finish: {
    run: db => finish(db, it.incarnation, [success({ id: it.running, token: it.token })]),
  },
  declareLost: { run: async db => (await declareLost(db, it.incarnation, 'b', 1))?.toSorted() },
  purge: { run: db => purgeFinished(db, hour) },
  'enqueue of an unknown name': {
    run: db =>
      enqueueBatch(
        db,
        [{ process: 'fresh', idempotencyKey: null, input: '{}', priority: 0, runAt: null }],
        { allowUnknown: true, transaction: undefined },
      ),
  },
}

/** Those of requests and servers that touch rows of components; with each other they are tried with the others of theirs. */
export const ofRequests: readonly string[] = [
  'finish',
  'declareLost',
  'purge',
  'enqueue of an unknown name',
]

/** Everything in lib/db/component that locks or writes rows, by the name that docs/architecture.md has for it. */
export const components: Scene<ComponentFixture> = {
  acts,
  usual: 'there',
  layOut,
  readRows,
  findBroken,
}
