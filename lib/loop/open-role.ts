import type { Database } from '../db/database.ts'
import type { Control } from '../db/node-control.ts'
import { doDuty } from '../db/standby.ts'
import type { Look } from '../witness/witness.ts'
import { CrewWatch, type CrewEvents } from './crew-watch.ts'
import { Standby } from './standby.ts'

/** What a server tells of the roles in the cluster, its own and those of others. */
export interface RoleEvents extends CrewEvents {
  /** This server is a standby, and claims because no other one does. */
  tookOver(): void
  /** This standby claims nothing any more. */
  handedBack(): void
}

export interface RoleSetup {
  readonly db: Database
  readonly node: string
  readonly incarnation: string
  readonly isStandby: boolean
  /** Reads this server's orders at once. */
  readonly wakeControl: () => void
  readonly events: RoleEvents & { readonly trouble: (error: unknown, where: string) => void }
}

/** A server's part in the cluster. */
export interface Role {
  start(): void
  stop(): Promise<void>
  /** What a pulse has seen. */
  heed(seen: Pick<Look, 'duty' | 'crew'>): void
  /** What this server's orders say now. */
  observe(control: Control): void
}

/** Takes over and hands back in a standby; warns in every server when one is missing. */
export function openRole({ db, isStandby, wakeControl, events, ...me }: RoleSetup): Role {
  const crewWatch = new CrewWatch(events)
  const standby = isStandby
    ? new Standby({
        doDuty: () => doDuty(db, me),
        onDone: wakeControl,
        onTookOver: () => events.tookOver(),
        onHandedBack: () => events.handedBack(),
        onError: events.trouble,
      })
    : undefined
  return {
    start: () => standby?.start(),
    stop: async () => standby?.stop(),
    heed({ duty, crew }) {
      standby?.heed(duty)
      if (crew) crewWatch.heed(crew)
    },
    observe: control => standby?.observe(control),
  }
}
