import { ClusterError } from '../errors.ts'
import type { Limits } from './limits.ts'

/**
 * How long a guardian may take to stop a frozen server and all its commands, in milliseconds: several times what was
 * measured on busy machines (`npm run measure:death`).
 */
const killMs = 300

/** For clocks that run at slightly different rates, and for timers that are late, in milliseconds. */
const marginMs = 100

/**
 * What the promise rests on that a request is failed only when its commands are gone: whoever stops them last acts
 * at `trustMs` after the last proof, and is done before anybody may declare the server lost, at `lostAfterMs`. A
 * database that was away puts both off by the same time.
 * @throws {ClusterError} CW_OPTION when there is too little time to stop everything, or to try a heartbeat again
 */
export function checkLimits(
  lostAfterMs: number,
  { heartbeatMs, proveMs, trustMs }: Pick<Limits, 'heartbeatMs' | 'proveMs' | 'trustMs'>,
): void {
  if (trustMs + killMs + marginMs > lostAfterMs)
    throw new ClusterError(
      'CW_OPTION',
      `expected lostAfter to leave ${killMs + marginMs} ms to stop all commands before the others declare this server lost, got ${lostAfterMs} ms, of which ${lostAfterMs - trustMs} ms are left when its guardian acts; give it 2s or more`,
      { field: 'lostAfter' },
    )
  if (heartbeatMs * 2 > proveMs || proveMs >= trustMs)
    throw new ClusterError(
      'CW_OPTION',
      `expected two heartbeats, one each ${heartbeatMs} ms, before the server gives up after ${proveMs} ms and its guardian after ${trustMs} ms`,
      { field: 'lostAfter' },
    )
}
