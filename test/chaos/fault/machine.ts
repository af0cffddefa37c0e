import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { FaultKind } from './fault.ts'

const hourMs = 3_600_000

export const jumpClock: FaultKind = {
  name: 'wall clock jumps',
  weight: 3,
  on: 'server',
  plan: dice => {
    const aheadMs = dice.between(-hourMs, hourMs)
    return {
      text: `the server's wall clock jumps to ${Math.round(aheadMs / 60_000)} minutes ahead`,
      lastsMs: 0,
      restMs: 500,
      mayEnd: false,
      async inject(_world, member) {
        member.tell({ aheadMs })
        return true
      },
    }
  },
}

/** More than the small disk of a server has. */
const tooMuch = 16 * 1024 * 1024

export const fillDisk: FaultKind = {
  name: 'disk full',
  needsSmallDisks: true,
  weight: 2,
  on: 'server',
  plan: dice => {
    const lastsMs = dice.between(1000, 4000)
    return {
      text: `the server's disk is full for ${Math.round(lastsMs)} ms`,
      lastsMs,
      restMs: 500,
      mayEnd: false,
      async inject(world, member) {
        if (!world.hasSmallDisks) return false
        const file = join(world.dataFolderOf(member.name), 'filler')
        await writeFile(file, Buffer.alloc(tooMuch)).catch(() => undefined)
        await delay(lastsMs)
        await rm(file, { force: true })
        return true
      },
    }
  },
}

export const drain: FaultKind = {
  name: 'server drained',
  weight: 2,
  on: 'server',
  plan: () => ({
    text: 'SIGTERM: the server lets its runs finish and leaves',
    lastsMs: 5000,
    restMs: 2500,
    mayEnd: false,
    async inject(_world, member) {
      const life = member.lives.at(-1)
      member.signal('SIGTERM')
      await life?.ended
      return true
    },
  }),
}
