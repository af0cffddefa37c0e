import { setTimeout as delay } from 'node:timers/promises'
import type { CableFailure } from '../cable.ts'
import type { Dice } from '../dice.ts'
import type { Fault, FaultKind } from './fault.ts'

// Unlike what a proxy does, this is a cut for the kernels, too: nobody acknowledges, and nobody is told of an end.

export const unplug: FaultKind = {
  name: 'network unplugged',
  needsCables: true,
  weight: 3,
  on: 'server',
  plan: dice => planFailure(dice, 'unplugged', 'no packet gets through'),
}

export const losePackets: FaultKind = {
  name: 'packets lost one way',
  needsCables: true,
  weight: 2,
  on: 'server',
  plan: dice =>
    dice.chance(0.5)
      ? {
          ...planFailure(dice, 'deaf', 'no packet to the server gets through'),
          lossCounts: 'rowFailedDeaf',
        }
      : planFailure(dice, 'mute', 'no packet from the server gets through'),
}

function planFailure(dice: Dice, how: CableFailure, what: string): Fault {
  const lastsMs = dice.between(3500, 6000)
  return {
    text: `${what}, for ${Math.round(lastsMs)} ms`,
    lastsMs,
    restMs: 3000,
    mayEnd: true,
    lossCounts: 'rowFailedSilent',
    async inject(world, member) {
      const { cable, life } = member
      if (!cable) return false
      await cable.fail(how)
      try {
        await delay(lastsMs)
      } finally {
        await cable.mend()
      }
      void world.watchReturn(member, life)
      return true
    },
  }
}
