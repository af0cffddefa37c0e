import type { Logger } from './base/logger.ts'
import { ClusterError, messageOf } from './errors.ts'
import type { ServerEvents } from './loop/server-setup.ts'

/** What the cluster's own listeners are told of the server. */
export type ClusterListeners = Omit<ServerEvents, 'trouble' | 'guarded'>

/** The events, each with its line in the server's log. */
export function logEvents(events: ClusterListeners, logger: Logger): ServerEvents {
  return {
    started(about) {
      logger.info(about, 'server started')
      events.started(about)
    },
    claimed(requests) {
      logger.debug({ ids: requests.map(({ id }) => id) }, 'claimed')
      events.claimed(requests)
    },
    finished(id, outcome) {
      logger.info({ request: id, outcome }, 'request finished')
      events.finished(id, outcome)
    },
    declaredLost(lost) {
      logger.warn(lost, 'another server was declared lost; its running requests have failed')
      events.declaredLost(lost)
    },
    suspended(reasons) {
      const about = reasons.map(({ kind, reason, who }) => ({ kind, reason, who }))
      if (reasons.length > 0 && reasons.every(({ kind }) => kind === 'standby'))
        logger.info({}, 'standing by: this server claims when no other one does')
      else
        logger.warn({ reasons: about }, 'suspended: this server claims nothing; what runs goes on')
      events.suspended(reasons)
    },
    resumed() {
      logger.info({}, 'this server claims requests')
      events.resumed()
    },
    tookOver() {
      logger.warn({}, 'no other server claims: this standby takes over')
      events.tookOver()
    },
    handedBack() {
      logger.info({}, 'this standby has handed back; what runs goes on')
      events.handedBack()
    },
    noActive() {
      logger.warn({}, 'no server is active: requests wait until one is resumed or started')
      events.noActive()
    },
    noStandby() {
      logger.warn(
        {},
        'no standby is alive: nobody takes over when the active servers are gone; start one, or retire those that do not come back',
      )
      events.noStandby()
    },
    drained(drained) {
      logger.info(
        drained,
        `drained: nothing runs here any more${drained.thenExit ? '; exiting' : ''}`,
      )
      events.drained(drained)
    },
    fenced(reason) {
      logger.error({ code: reason.code }, reason.message)
      events.fenced(reason)
    },
    guarded(guardian, isFirst) {
      logger[isFirst ? 'debug' : 'info']({ guardian }, 'a guardian watches')
    },
    trouble(error, where) {
      const code = error instanceof ClusterError ? error.code : undefined
      logger.warn({ where, ...(code && { code }) }, messageOf(error))
    },
  }
}
