import type { Database } from '../db/database.ts'
import {
  acknowledgeControl,
  markDrained,
  readControl,
  type ControlSuspension,
} from '../db/node-control.ts'
import { resumeNode, suspendNode, suspensionKinds } from '../db/suspensions.ts'
import { Controller, type ControllerOptions } from './controller.ts'
import { Health } from './health.ts'

/** What a server tells of its suspensions. */
export interface ControlEvents {
  /** This server claims nothing any more, for these reasons. */
  suspended(reasons: readonly ControlSuspension[]): void
  /** It claims again. */
  resumed(): void
  /** Nothing runs here any more, as was asked for; it shall exit, or stay suspended. */
  drained(drained: { thenExit: boolean }): void
  readonly trouble: (error: unknown, where: string) => void
}

export interface ControlSetup extends Pick<
  ControllerOptions,
  'node' | 'settle' | 'countRuns' | 'stopRuns' | 'wakeClaims'
> {
  readonly db: Database
  readonly incarnation: string
  /** Where runs have their folders. */
  readonly runsFolder: string
  readonly events: ControlEvents
}

/** Both sides of a server's suspension: what it is told, and what it finds itself. */
export function openControl(setup: ControlSetup): { controller: Controller; health: Health } {
  const { db, node, incarnation, runsFolder, events } = setup
  const health = new Health({
    folder: runsFolder,
    set: async (kind, reason) => {
      await suspendNode(db, { node, kind, reason, who: node, incarnation })
    },
    clear: async kind => {
      await resumeNode(db, { node, kinds: [kind], by: node, incarnation })
    },
    onError: events.trouble,
  })
  const controller = new Controller({
    ...setup,
    readControl: () => readControl(db, incarnation),
    acknowledge: control => acknowledgeControl(db, incarnation, control),
    clear: async ids => {
      await resumeNode(db, { node, kinds: suspensionKinds, by: 'its time', ids, incarnation })
    },
    markDrained: ids => markDrained(db, { node, incarnation, ids }),
    onSuspended: reasons => {
      health.adopt(reasons)
      events.suspended(reasons)
    },
    onResumed: () => {
      health.forget()
      events.resumed()
    },
    onDrained: drained => events.drained(drained),
  })
  return { controller, health }
}
