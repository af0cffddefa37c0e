import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../../../lib/index.ts'
import { ledgerClock } from '../ledger.ts'
import type { FaultKind, World } from './fault.ts'

/** How long a server may take to acknowledge, in milliseconds. */
const longestAnswerMs = 10_000

export const suspendServer: FaultKind = {
  name: 'server suspended',
  weight: 5,
  on: 'server',
  plan: dice => {
    const lastsMs = dice.between(300, 2500)
    const atOnce = dice.chance(0.3)
    return {
      text: `suspended${atOnce ? ' at once' : ''}, and resumed ${Math.round(lastsMs)} ms after its acknowledgement`,
      lastsMs: lastsMs + 500,
      restMs: 1000,
      mayEnd: false,
      async inject(world, { name: node }) {
        const cluster = new Cluster({ connectionString: world.databases.url, nodeId: 'operator' })
        const limit = { timeout: longestAnswerMs }
        try {
          const answer = await cluster.suspend(node, { reason: 'chaos', atOnce, ...limit })
          const from = await look(world)
          await delay(lastsMs)
          const to = await look(world)
          if (answer === 'acknowledged') world.noteSuspension({ node, from, to })
          return answer === 'acknowledged'
        } finally {
          await resume(cluster, node)
          await cluster.stop()
        }
      },
    }
  },
}

/** By the clock of the ledger, and by the number of the last claim. */
async function look({ databases }: World): Promise<{ clockMs: number; claim: number }> {
  const clockMs = ledgerClock()
  const [row] = await databases.ask<{ claim: number }>(
    'select coalesce(max(seq), 0)::integer as claim from chaos.claim',
  )
  return { clockMs, claim: row?.claim ?? 0 }
}

/** Again and again: whatever else goes on, a suspended server must not stay so. */
async function resume(cluster: Cluster, node: string): Promise<void> {
  for (;;)
    try {
      await cluster.resume(node, { timeout: longestAnswerMs })
      return
    } catch (error) {
      // The order stands, also when nobody has answered.
      if (error instanceof Error && 'code' in error && error.code === 'CW_WAIT_TIMEOUT') return
      await delay(200)
    }
}
