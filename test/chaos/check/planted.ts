import type { Evidence } from '../evidence.ts'
import { finishedForGood, nothingAfterTheEnd } from './endings.ts'
import { healthy, line } from './healthy.ts'
import type { Invariant } from './invariant.ts'
import { logsWithoutGaps } from './logs.ts'
import { stoppedWhenLost, stoppedWithoutGuardian } from './losses.ts'
import { onlyTheDeadAreLost, onlyTheStarvedAreLost, ownedByTheLiving } from './owners.ts'
import { everythingHappened } from './probes.ts'
import { nothingIsLeft } from './quiet.ts'
import { acknowledgedIsKept, oneRoom } from './requests.ts'
import { startedAfterClaim, startedOnce, succeededAfterStart } from './starts.ts'
import { nothingWhileSuspended } from './suspensions.ts'
import { undoneInReverse } from './undo.ts'

const { ledger, requests, claims, finished, finishes, suspensions, quiet } = healthy()
const suspension = suspensions[0] as (typeof suspensions)[0]
const [first, ...others] = finished
const changedFirst = { id: '1', outcome: 'failed', reason: 'server_lost', incarnation: '10' }
const done = [line('begin', '1', 'a'), line('end', '1', 'a')]
export const alive = [{ requestId: '3', pid: 201 }]

/** What each invariant must find, each planted into a run in which nothing else is wrong. */
export const planted: [Invariant, what: string, Partial<Evidence>, sentence: string | RegExp][] = [
  [
    startedOnce,
    'a second start of a step',
    { ledger: [...ledger, line('begin', '1', 'a')] },
    'the ledger has two starts of request 1 (a)',
  ],
  [
    startedOnce,
    'another step with another token',
    { ledger: [...ledger, line('begin', '1', 'z', { token: 'other:1' })] },
    'the ledger has lines of two claims of request 1',
  ],
  [
    startedOnce,
    'a second claim',
    { claims: [...claims, { seq: 5, id: '1', incarnation: '11', token: 'other' }] },
    'request 1 was claimed twice',
  ],
  [
    startedAfterClaim,
    'a start without a claim',
    { claims: claims.slice(1) },
    'request 1 was run by s1 with a token that claimed nothing',
  ],
  [
    startedAfterClaim,
    'a start by another server than the one that claimed',
    { claims: claims.map(claim => ({ ...claim, incarnation: '10' })) },
    'request 3 was claimed by incarnation 10 and run by s2/200',
  ],
  [
    succeededAfterStart,
    'a success without a start',
    { ledger: ledger.slice(2) },
    'request 1 succeeded; 0 of its steps began and 0 ended',
  ],
  [
    succeededAfterStart,
    'a success whose step did not end',
    { ledger: ledger.filter((_, index) => index !== 1) },
    'request 1 succeeded; 1 of its steps began and 0 ended',
  ],
  [
    acknowledgedIsKept,
    'a request that is gone',
    { requests: requests.slice(1) },
    'request 1 with key-1 was acknowledged and is not there',
  ],
  [
    acknowledgedIsKept,
    'a key that made two requests',
    { requests: [...requests, { ...requests[0], id: '9' } as (typeof requests)[0]] },
    'two requests have key-1',
  ],
  [
    oneRoom,
    'a request that waits for ever',
    { requests: requests.map(row => (row.id === '1' ? { ...row, rooms: ['queue'] } : row)) },
    'request 1 is in queue when all is over',
  ],
  [
    oneRoom,
    'a request in two rooms',
    {
      requests: requests.map(row =>
        row.id === '1' ? { ...row, rooms: ['running', 'finished'] } : row,
      ),
    },
    'request 1 is in running and finished when all is over',
  ],
  [
    oneRoom,
    'a request in no room',
    { requests: requests.map(row => (row.id === '1' ? { ...row, rooms: [] } : row)) },
    'request 1 is in no room when all is over',
  ],
  [
    finishedForGood,
    'an end that is another one now',
    { finished: [changedFirst, ...others] },
    'request 1 ended as succeeded and is failed/server_lost/10 now',
  ],
  [
    finishedForGood,
    'an end that is gone',
    { finished: others },
    /^request 1 ended as .* gone now$/,
  ],
  [
    finishedForGood,
    'a second end',
    { finishes: [...finishes, first as (typeof finishes)[0]] },
    'request 1 ended twice',
  ],
  [
    finishedForGood,
    'an end that was seen to change',
    { changedMeanwhile: ['1'] },
    'the end of request 1 was seen to change',
  ],
  [
    nothingAfterTheEnd,
    'a start after the end',
    { firstSeen: new Map([['1', 500]]) },
    'begin of a of request 1 came 500 ms after its end was seen',
  ],
  [
    stoppedWhenLost,
    'a process that lives on',
    { losses: [{ node: 's2', requestIds: ['3'], alive, isUnguarded: false }] },
    'process 201 of request 3 of s2 lived when its row said server_lost',
  ],
  [
    stoppedWithoutGuardian,
    'a process that lives on, without a guardian',
    { losses: [{ node: 's2', requestIds: ['3'], alive, isUnguarded: true }] },
    'process 201 of request 3 of s2 lived when its row said server_lost',
  ],
  [
    ownedByTheLiving,
    'running rows of a dead server',
    { overdue: [4000, 5000].map(forMs => ({ incarnation: '11', forMs })) },
    'incarnation 11 kept running rows for 5000 ms without proof of its life',
  ],
  [
    onlyTheDeadAreLost,
    'a healthy server that is lost',
    { falseDeaths: [{ node: 's2', incarnation: '11', why: 'killed', isStarved: false }] },
    /^s2 \(incarnation 11\)/,
  ],
  [
    onlyTheStarvedAreLost,
    'a healthy server that got no time',
    { falseDeaths: [{ node: 's2', incarnation: '11', why: 'killed', isStarved: true }] },
    /^s2 \(incarnation 11\)/,
  ],
  [
    undoneInReverse,
    'a second undo',
    { ledger: [...done, line('undo', '1', 'a'), line('undo', '1', 'a')] },
    'step a of request 1 was undone twice',
  ],
  [
    undoneInReverse,
    'a second undo, by a compensation',
    { ledger: [...ledger, line('undo', '3', 'a')] },
    'step a of request 3 was undone twice',
  ],
  [
    undoneInReverse,
    'a second undo, by the compensation of a compensation',
    {
      requests: [...requests, { id: '5', key: null, compensates: '4', rooms: ['finished'] }],
      ledger: [...ledger, line('undo', '5', 'a')],
    },
    'step a of request 3 was undone twice',
  ],
  [
    undoneInReverse,
    'undos in the order of the steps',
    {
      ledger: [
        ...['a', 'b'].flatMap(step => [line('begin', '1', step), line('end', '1', step)]),
        ...['a', 'b'].map(step => line('undo', '1', step)),
      ],
    },
    'request 1 finished a, b and undid a, b',
  ],
  [
    undoneInReverse,
    'the undo of what did not finish',
    { ledger: [line('begin', '1', 'a'), line('undo', '1', 'a')] },
    'request 1 finished  and undid a',
  ],
  [
    undoneInReverse,
    'a step after an undo',
    { ledger: [...done, line('undo', '1', 'a'), line('begin', '1', 'b')] },
    'request 1 began a step after its first undo',
  ],
  [
    undoneInReverse,
    'an on-failure step twice',
    { ledger: [...ledger, line('failure', '2', 'tell')] },
    'on-failure step tell of request 2 ran twice',
  ],
  [
    undoneInReverse,
    'an on-failure step before the undo',
    {
      ledger: [
        line('begin', '1', 'a'),
        line('end', '1', 'a'),
        line('failure', '1', 'tell'),
        line('undo', '1', 'a'),
      ],
    },
    'request 1 ran an on-failure step before its last step or undo',
  ],
  [
    nothingWhileSuspended,
    'a claim',
    { suspensions: [{ ...suspension, from: { ...suspension.from, claim: 3 } }] },
    's1 claimed request 4 while it was suspended',
  ],
  [
    nothingWhileSuspended,
    'a start',
    { ledger: ledger.map(line => (line.requestId === '4' ? { ...line, clockMs: 1100 } : line)) },
    's1 started request 4 while it was suspended',
  ],
  [
    logsWithoutGaps,
    'a piece that is missing',
    { logs: [{ requestId: '2', pieces: 2, first: 1, last: 3 }] },
    'the log of request 2 has 2 pieces from 1 to 3',
  ],
  [
    logsWithoutGaps,
    'a beginning that is missing',
    { logs: [{ requestId: '2', pieces: 3, first: 2, last: 4 }] },
    'the log of request 2 has 3 pieces from 2 to 4',
  ],
  [nothingIsLeft, 'requests that hang', { quiet: { ...quiet, unfinished: 2 } }, /^2 requests/],
  [nothingIsLeft, 'a server', { quiet: { ...quiet, hanging: ['s1'] } }, /^s1 did not leave/],
  [
    nothingIsLeft,
    'a lock',
    { quiet: { ...quiet, leakedLocks: ['11'] } },
    /^incarnation 11 is over/,
  ],
  [nothingIsLeft, 'a lock at last', { quiet: { ...quiet, locksAfterLeaving: 1 } }, /^1 locks/],
  [
    nothingIsLeft,
    'an open transaction',
    { quiet: { ...quiet, idleInTransaction: 1 } },
    /^1 session/,
  ],
  [nothingIsLeft, 'a prepared one', { quiet: { ...quiet, preparedTransactions: 1 } }, /^1 trans/],
  [
    nothingIsLeft,
    'a session',
    { quiet: { ...quiet, sessionsAfterLeaving: ['x'] } },
    /of 'x' is left/,
  ],
  [
    everythingHappened,
    'something that never happened',
    { wantedProbes: ['a fence'] },
    'it never happened that: a fence',
  ],
]
