import type { Evidence } from '../evidence.ts'
import type { LedgerAct, LedgerLine } from '../ledger.ts'

/** A line of the ledger, one second after the one before. */
export function line(
  act: LedgerAct,
  requestId: string,
  step: string,
  about: Partial<LedgerLine> = {},
): LedgerLine {
  return {
    act,
    requestId,
    token: `claim-${requestId}:${requestId}`,
    node: 's1',
    server: 100,
    pid: 100,
    startTicks: '7',
    clockMs: 1000,
    step,
    ...about,
  }
}

/**
 * What is known of a run in which nothing went wrong: request 1 succeeded, request 2 failed and was undone,
 * request 3 was lost, and request 4 compensates it.
 */
export function healthy(about: Partial<Evidence> = {}): Evidence {
  const ids = ['1', '2', '3', '4']
  const finished = [
    { id: '1', outcome: 'succeeded', reason: null, incarnation: '10' },
    { id: '2', outcome: 'failed', reason: 'step_failed', incarnation: '10' },
    { id: '3', outcome: 'failed', reason: 'server_lost', incarnation: '11' },
    { id: '4', outcome: 'succeeded', reason: null, incarnation: '10' },
  ]
  const lost = { node: 's2', server: 200 }
  return {
    ledger: [
      line('begin', '1', 'a'),
      line('end', '1', 'a'),
      line('begin', '2', 'a'),
      line('end', '2', 'a'),
      line('begin', '2', 'b'),
      line('end', '2', 'b'),
      line('begin', '2', 'c'),
      line('undo', '2', 'b'),
      line('undone', '2', 'b'),
      line('undo', '2', 'a'),
      line('undone', '2', 'a'),
      line('failure', '2', 'tell'),
      line('begin', '3', 'a', lost),
      line('end', '3', 'a', lost),
      line('begin', '3', 'b', lost),
      line('child', '3', 'b', { ...lost, pid: 201 }),
      line('undo', '4', 'a'),
      line('undone', '4', 'a'),
    ],
    acknowledged: ids.slice(0, 3).map(id => ({ key: `key-${id}`, requestId: id })),
    requests: ids.map(id => ({
      id,
      key: id === '4' ? null : `key-${id}`,
      compensates: id === '4' ? '3' : null,
      rooms: ['finished'],
    })),
    claims: finished.map(({ id, incarnation }, index) => ({
      seq: index + 1,
      id,
      incarnation,
      token: `claim-${id}`,
    })),
    finishes: finished,
    finished,
    incarnations: [
      { id: '10', node: 's1', pid: 100, state: 'left' },
      { id: '11', node: 's2', pid: 200, state: 'lost' },
    ],
    logs: [{ requestId: '2', pieces: 3, first: 1, last: 3 }],
    firstSeen: new Map(ids.map(id => [id, 1020])),
    changedMeanwhile: [],
    losses: [{ node: 's2', requestIds: ['3'], alive: [], isUnguarded: false }],
    overdue: [],
    falseDeaths: [],
    suspensions: [
      { node: 's1', from: { clockMs: 1020, claim: 4 }, to: { clockMs: 2000, claim: 4 } },
    ],
    quiet: {
      unfinished: 0,
      hanging: [],
      leakedLocks: [],
      idleInTransaction: 0,
      preparedTransactions: 0,
      sessionsAfterLeaving: [],
      locksAfterLeaving: 0,
    },
    happened: new Set(['a cancel is answered: requested']),
    wantedProbes: ['a cancel is answered: requested'],
    ...about,
  }
}
