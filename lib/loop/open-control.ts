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
import { openRole, type Role, type RoleEvents, type RoleSetup } from './open-role.ts'

/** What a server tells of its suspensions, and of the roles in the cluster. */
export interface ControlEvents extends RoleEvents {
  /** This server claims nothing any more, for these reasons. */
  suspended(reasons: readonly ControlSuspension[]): void
  /** It claims again. */
  resumed(): void
  /** Nothing runs here any more, as was asked for; it shall exit, or stay suspended. */
  drained(drained: { thenExit: boolean }): void
  readonly trouble: (error: unknown, where: string) => void
}

export interface ControlSetup
  extends
    Pick<ControllerOptions, 'node' | 'settle' | 'countRuns' | 'stopRuns' | 'wakeClaims'>,
    Pick<RoleSetup, 'isStandby' | 'wakeControl'> {
  readonly db: Database
  readonly incarnation: string
  /** Where runs have their folders. */
  readonly runsFolder: string
  /** Looks whether the artifact store can be used. */
  readonly probeStore: () => Promise<void>
  readonly events: ControlEvents
}

/** All that decides whether a server claims. The controller's passes are called by the server. */
export interface Control {
  readonly controller: Controller
  readonly health: Health
  readonly role: Role
  start(): void
  stop(): Promise<void>
}

/** Puts together what the server is told, what it finds itself, and its role. */
export function openControl(setup: ControlSetup): Control {
  const { db, node, incarnation, runsFolder, probeStore, events } = setup
  const health = new Health({
    folder: runsFolder,
    probeStore,
    set: async (kind, reason) => {
      await suspendNode(db, { node, kind, reason, who: node, incarnation })
    },
    clear: async kind => {
      await resumeNode(db, { node, kinds: [kind], by: node, incarnation })
    },
    onError: events.trouble,
  })
  const role = openRole(setup)
  const controller = new Controller({
    ...setup,
    readControl: async () => {
      const control = await readControl(db, incarnation)
      if (control) role.observe(control)
      return control
    },
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
  return {
    controller,
    health,
    role,
    start() {
      health.start()
      role.start()
    },
    async stop() {
      await Promise.all([health.stop(), role.stop()])
    },
  }
}
