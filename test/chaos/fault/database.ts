import type { ReplicaEnd } from '../../support/standby.ts'
import type { FaultKind } from './fault.ts'

/** How long the database is then left alone, in milliseconds, so that work gets done. */
const restMs = 4000

const ends: readonly ReplicaEnd[] = ['fast', 'immediate', 'kill']

export const restartDatabase: FaultKind = {
  name: 'database restarted',
  weight: 3,
  on: 'database',
  plan: dice => {
    const how = dice.pick(ends)
    const awayMs = dice.between(500, dice.chance(0.25) ? 10_000 : 2500)
    return {
      text: `the primary is stopped (${how}) and started again after ${Math.round(awayMs)} ms`,
      lastsMs: awayMs + 1500,
      restMs,
      mayEnd: false,
      async inject(world) {
        await world.databases.restart(how, awayMs, () => void world.watchResume())
        return true
      },
    }
  },
}

export const promoteStandby: FaultKind = {
  name: 'standby promoted',
  weight: 2,
  on: 'database',
  plan: dice => {
    const how = dice.pick(ends)
    return {
      text: `the primary is stopped (${how}), its standby promoted, and the old one follows`,
      lastsMs: 5000,
      restMs,
      mayEnd: false,
      async inject(world) {
        await world.databases.failOver(how, () => void world.watchResume())
        return true
      },
    }
  },
}

export const terminateBackends: FaultKind = {
  name: 'backends terminated',
  weight: 5,
  on: 'anything',
  plan: dice => {
    const count = dice.whole(1, 4)
    const order = dice.whole(1, 1_000_000)
    return {
      text: `${count} sessions of ours are terminated`,
      lastsMs: 0,
      restMs: 0,
      mayEnd: false,
      async inject({ databases }) {
        try {
          const gone = await databases.ask(`
            select pg_terminate_backend(pid) from (
              select pid from pg_stat_activity where application_name like 'cluster-worker%'
              order by (pid::bigint * ${order}) % 7919 limit ${count}
            ) as chosen`)
          return gone.length > 0
        } catch {
          return false
        }
      },
    }
  },
}
