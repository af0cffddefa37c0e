import { setTimeout as delay } from 'node:timers/promises'
import type { Fault, FaultKind } from './fault.ts'

// A server proves itself again after a quarter of lostAfter (2.5 s) at the latest, and gives up after 0.6 of it without.

/** So long a server may be frozen without anybody noticing, in milliseconds. */
const short = [50, 700] as const

/** So long is noticed by everybody. */
const long = [3500, 6000] as const

export const freezeServer: FaultKind = {
  name: 'server frozen for a moment',
  weight: 4,
  on: 'server',
  plan: dice => freezing(dice.between(...short), false),
}

export const freezeServerForGood: FaultKind = {
  name: 'server frozen',
  weight: 3,
  on: 'server',
  plan: dice => ({ ...freezing(dice.between(...long), true), lossCounts: 'rowFailedSilent' }),
}

export const freezeGuardian: FaultKind = {
  name: 'guardian frozen',
  weight: 4,
  on: 'server',
  plan: dice => {
    const [least, limit] = dice.chance(0.5) ? short : long
    const lastsMs = dice.between(least, limit)
    return {
      text: `SIGSTOP to the guardian, SIGCONT after ${Math.round(lastsMs)} ms`,
      lastsMs,
      restMs: 1500,
      mayEnd: false,
      async inject(_world, member) {
        const pid = member.signalGuardian('SIGSTOP')
        if (pid === undefined) return false
        await delay(lastsMs)
        // It may have been replaced meanwhile.
        member.signalGuardian('SIGCONT', pid)
        return true
      },
    }
  },
}

export const blockLoop: FaultKind = {
  name: 'main loop blocked',
  weight: 4,
  on: 'server',
  plan: dice => {
    const lastsMs = dice.between(100, dice.chance(0.5) ? 700 : 10_000)
    return {
      text: `the main loop does nothing else for ${Math.round(lastsMs)} ms`,
      lastsMs,
      restMs: 1500,
      // It is dead for the others only after stallLimit (30 s).
      mayEnd: false,
      async inject(_world, member) {
        const { life } = member
        member.tell({ blockMs: lastsMs })
        const endsAt = performance.now() + lastsMs
        // When it was killed for it, the next one is not to wait.
        while (performance.now() < endsAt && member.life === life) await delay(50)
        return true
      },
    }
  },
}

function freezing(lastsMs: number, mayEnd: boolean): Fault {
  return {
    text: `SIGSTOP to the server, SIGCONT after ${Math.round(lastsMs)} ms`,
    lastsMs,
    restMs: mayEnd ? 2500 : 1000,
    mayEnd,
    async inject(_world, member) {
      const { life } = member
      member.signal('SIGSTOP')
      await delay(lastsMs)
      if (member.lives.at(-1) === life) member.signal('SIGCONT')
      return true
    },
  }
}
