import { setTimeout as delay } from 'node:timers/promises'
import type { Dice } from '../dice.ts'
import { fairWeather, type Boundary, type Weather } from '../proxy/weather.ts'
import type { Fault, FaultKind } from './fault.ts'

export const cutConnections: FaultKind = {
  name: 'connections cut',
  weight: 5,
  on: 'server',
  plan: dice => {
    const reset = dice.chance(0.5)
    return {
      text: `all connections ${reset ? 'are reset' : 'end'}`,
      lastsMs: 0,
      restMs: 1500,
      mayEnd: false,
      async inject(_world, member) {
        member.proxy.cutAll({ reset })
        return true
      },
    }
  },
}

/** What a server says only on a new session; for a cut there, the others are cut before. */
const reconnecting = 'pg_try_advisory_lock'

/** What the servers say, by a part of its text. */
const serverStatements = [
  'cluster_worker.claim',
  'cluster_worker.finish',
  'cluster_worker.write_steps',
  'cluster_worker.append_log',
  'cluster_worker.promote',
  'pulse',
  reconnecting,
] as const

export const boundaries: readonly Boundary[] = ['before', 'at completion', 'when ready']

/** How long a cut waits for its statement, in milliseconds. */
const patienceMs = 3000

export const cutAtBoundary: FaultKind = {
  name: 'cut at a message',
  weight: 24,
  on: 'server',
  plan: dice => {
    // What moves rows, more often.
    const moves = serverStatements.slice(0, 2)
    return planCut(dice, dice.chance(0.6) ? moves : serverStatements, 'server')
  },
}

export const cutEnqueue: FaultKind = {
  name: 'enqueue cut at a message',
  weight: 4,
  on: 'anything',
  plan: dice => planCut(dice, ['enqueue_batch'], 'workload'),
}

function planCut(dice: Dice, statements: readonly string[], side: 'server' | 'workload'): Fault {
  const cut = {
    text: dice.pick(statements),
    boundary: dice.pick(boundaries),
    reset: dice.chance(0.5),
  }
  return {
    text: `cut ${cut.boundary}: ${cut.text}`,
    lastsMs: 1000,
    restMs: 500,
    mayEnd: false,
    async inject(world, member) {
      const proxy = side === 'server' ? member.proxy : world.workloadProxy
      proxy.cut(cut)
      if (cut.text === reconnecting) proxy.cutAll()
      for (let waited = 0; waited < patienceMs; waited += 100) {
        await delay(100)
        if (!proxy.disarm(cut)) return true
        proxy.cut(cut)
      }
      return !proxy.disarm(cut)
    },
  }
}

export const stallBriefly: FaultKind = {
  name: 'network stalls for a moment',
  weight: 4,
  on: 'server',
  plan: dice => changeWeather(dice.between(100, 600), { isStalled: true }, 'nothing gets through'),
}

export const stall: FaultKind = {
  name: 'network half open',
  weight: 3,
  on: 'server',
  plan: dice => {
    const fault = changeWeather(
      dice.between(3500, 6000),
      { isStalled: true },
      'nothing gets through',
    )
    return {
      ...fault,
      restMs: 3000,
      mayEnd: true,
      lossCounts: 'rowFailedSilent',
      async inject(world, member) {
        const { life } = member
        const wasDone = await fault.inject(world, member)
        void world.watchReturn(member, life)
        return wasDone
      },
    }
  },
}

export const slowNetwork: FaultKind = {
  name: 'network slow',
  weight: 3,
  on: 'server',
  plan: dice => {
    const delayMs = dice.whole(5, 60)
    return changeWeather(
      dice.between(1000, 4000),
      { delayMs },
      `everything takes ${delayMs} ms longer`,
    )
  },
}

export const slicedBytes: FaultKind = {
  name: 'bytes in slices',
  weight: 3,
  on: 'server',
  plan: dice => {
    const sliceBytes = dice.whole(1, 7)
    return changeWeather(
      dice.between(1000, 4000),
      { sliceBytes },
      `messages come in pieces of ${sliceBytes} bytes`,
    )
  },
}

function changeWeather(lastsMs: number, weather: Partial<Weather>, what: string): Fault {
  return {
    text: `${what}, for ${Math.round(lastsMs)} ms`,
    lastsMs,
    restMs: 1500,
    mayEnd: false,
    async inject(_world, member) {
      member.proxy.setWeather(weather)
      await delay(lastsMs)
      member.proxy.setWeather(fairWeather)
      return true
    },
  }
}
