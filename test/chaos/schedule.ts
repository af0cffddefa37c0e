import type { Dice } from './dice.ts'
import type { Fault, FaultKind } from './fault/fault.ts'

/** A fault with its moment and its victim. */
export interface Planned {
  readonly atMs: number
  readonly kind: string
  /** The number of the server that it is done to; one that it is not done to is drawn all the same. */
  readonly member: number
  readonly on: FaultKind['on']
  readonly fault: Fault
}

export interface ScheduleOptions {
  readonly kinds: readonly FaultKind[]
  readonly members: number
  readonly lastsMs: number
  /** How many faults begin in a second, on average. */
  readonly perSecond: number
}

/** Decides the whole run before it begins. What suffers a fault is left alone until that is over. */
export function planSchedule(dice: Dice, options: ScheduleOptions): Planned[] {
  const { kinds, members, lastsMs, perSecond } = options
  const freeAt = Array.from({ length: members }, () => 0)
  const planned: Planned[] = []
  let databaseFreeAt = 0
  for (let atMs = 500; atMs < lastsMs; atMs += dice.between(0.2, 1.8) * (1000 / perSecond)) {
    const free = freeAt.flatMap((at, member) => (at <= atMs ? [member] : []))
    const possible = kinds.filter(({ on }) =>
      on === 'database' ? databaseFreeAt <= atMs : on === 'anything' || free.length > 0,
    )
    if (possible.length === 0) continue
    const kind = dice.weigh(possible)
    const fault = kind.plan(dice)
    const member = kind.on === 'server' ? dice.pick(free) : dice.whole(0, members - 1)
    const until = atMs + fault.lastsMs + fault.restMs
    // What lasts longer than the run would hold up its end.
    if (kind.on === 'database' && atMs + fault.lastsMs > lastsMs) continue
    if (kind.on === 'database') databaseFreeAt = until
    if (kind.on === 'server') freeAt[member] = until
    planned.push({ atMs: Math.round(atMs), kind: kind.name, member, on: kind.on, fault })
  }
  return planned
}

/** One line for one fault. */
export function describePlanned({ atMs, kind, member, on, fault }: Planned): string {
  const whom = on === 'server' ? `s${member + 1}` : '  '
  return `${(atMs / 1000).toFixed(1).padStart(6)} s  ${whom}  ${kind}: ${fault.text}`
}
