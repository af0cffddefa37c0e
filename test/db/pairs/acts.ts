import { cancelRequest } from '../../../lib/db/cancel.ts'
import { claim } from '../../../lib/db/claim.ts'
import { publishProcesses } from '../../../lib/db/definitions.ts'
import { rememberEra } from '../../../lib/db/era.ts'
import { finish } from '../../../lib/db/finish.ts'
import { beginIncarnation, countSession, declareLost, leave } from '../../../lib/db/incarnations.ts'
import { tryLock } from '../../../lib/db/locks.ts'
import { appendLog } from '../../../lib/db/logs.ts'
import { acknowledgeControl, markDrained } from '../../../lib/db/node-control.ts'
import { purgeHistory } from '../../../lib/db/node-history.ts'
import { claimNode } from '../../../lib/db/node-identity.ts'
import { promote } from '../../../lib/db/promote.ts'
import { purgeFinished } from '../../../lib/db/purge.ts'
import { enqueueBatch } from '../../../lib/db/requests.ts'
import { retireNode } from '../../../lib/db/retire.ts'
import { writeSteps } from '../../../lib/db/steps.ts'
import { resumeNode, suspendNode, suspensionKinds } from '../../../lib/db/suspensions.ts'
import { describeNode, stepRecord, success } from '../../support/rows.ts'
import { findBroken, known, layOut, readRows, type Fixture } from './fixture.ts'
import type { Act, Scene } from './scene.ts'

const hour = 3_600_000
const { node, incarnation } = known
const identity = { node, instance: known.instance }
const others = { node, instance: '07be4000-0000-4000-8000-000000000000' }
const keep = (): Promise<void> => Promise.resolve()

const request = { input: '{}', priority: 0, runAt: null }
const published = { version: '1', description: null, inputSchema: null, steps: [] }

const acts: Readonly<Record<string, Act<Fixture>>> = {
  enqueue: {
    run: db =>
      enqueueBatch(
        db,
        ['old', 'new', null].map(idempotencyKey => ({
          ...request,
          process: 'work',
          idempotencyKey,
        })),
        { allowUnknown: false, transaction: undefined },
      ),
  },
  'enqueue of an unknown name': {
    run: db =>
      enqueueBatch(db, [{ ...request, process: 'fresh', idempotencyKey: null }], {
        allowUnknown: true,
        transaction: undefined,
      }),
  },
  promote: { run: async db => (await promote(db)).moved },
  claim: {
    run: db => claim(db, { incarnation, lanes: [known.lane], limit: 10, token: known.token }),
  },
  'cancel scheduled': { run: db => cancelRequest(db, known.scheduled) },
  'cancel queued': { run: db => cancelRequest(db, known.queued) },
  'cancel running': { run: db => cancelRequest(db, known.running) },
  finish: {
    run: db => {
      const lastStep = stepRecord(known.running, { position: 2, name: 'third', state: 'succeeded' })
      const run = { id: known.running, token: known.token }
      return finish(db, incarnation, [{ ...success(run), lastStep }])
    },
  },
  steps: {
    run: db =>
      writeSteps(db, incarnation, [
        stepRecord(known.running, { position: 1, name: 'second', state: 'running' }),
      ]),
  },
  log: {
    run: db =>
      appendLog(db, [
        { requestId: known.running, seq: 1, step: null, stream: 'log', parts: ['b'], size: 1 },
      ]),
  },
  declareLost: {
    run: async db => (await declareLost(db, incarnation, 'b', 1))?.toSorted(),
  },
  'count a session': { run: db => countSession(db, db.t, incarnation) },
  leave: { fixtures: ['busy', 'idle'], run: db => leave(db, incarnation) },
  begin: {
    fixtures: ['gone'],
    // On the session that holds the identity lock, as the witness does.
    run: async db =>
      (await tryLock(db, db.t, 'node', '1'))
        ? beginIncarnation(db, db.t, describeNode(node))
        : 'taken',
  },
  register: {
    fixtures: ['gone'],
    run: db => claimNode(db, identity, { take: false, keep }),
  },
  take: { fixtures: ['gone'], run: db => claimNode(db, others, { take: true, keep }) },
  suspend: {
    fixtures: ['busy', 'suspended'],
    run: db => suspendNode(db, { node, kind: 'operator', reason: 'disk', who: 'eve' }),
  },
  resume: {
    fixtures: ['draining', 'suspended'],
    run: db => resumeNode(db, { node, kinds: suspensionKinds, by: 'eve' }),
  },
  drained: {
    fixtures: ['suspended'],
    run: db => markDrained(db, { node, incarnation, ids: [known.drain] }),
  },
  retire: { fixtures: ['gone'], run: db => retireNode(db, { node, who: 'eve' }) },
  acknowledge: { run: db => acknowledgeControl(db, incarnation, '1') },
  publish: {
    run: db =>
      publishProcesses(
        db,
        node,
        ['fresh', 'work'].map(name => ({ ...published, name })),
      ),
  },
  purge: { run: db => purgeFinished(db, hour) },
  'purge history': { run: db => purgeHistory(db, hour) },
  'remember an era': { run: db => rememberEra(db, db.t) },
}

/** Everything in lib/db that locks or writes rows of requests and servers, by the name that docs/architecture.md has for it. */
export const requests: Scene<Fixture> = { acts, usual: 'busy', layOut, readRows, findBroken }
