import { writeFile } from 'node:fs/promises'
import type { Canary } from './canary.ts'
import type { Evidence, IncarnationRow } from './evidence.ts'
import type { Planned } from './schedule.ts'
import { ledgerClock } from './ledger.ts'
import type { Life, Member } from './member.ts'

/** A fault that was done. */
export interface Done {
  readonly planned: Planned
  readonly node: string
  /** The process that it was done to, where it was a server. */
  readonly life: Life | undefined
  /** By the ledger's clock. */
  readonly startedMs: number
  endedMs: number | undefined
}

/** How long after a fault a server may still end by it, in milliseconds. */
const aftermathMs = 8000

/** How long it takes at the most from the cause of a death to the death, in milliseconds. */
const deathTakesMs = 4000

/** What was done to whom, when. */
export class History {
  readonly done: Done[] = []
  readonly skipped: Planned[] = []

  begin(planned: Planned, member: Member): Done {
    const life = member.life
    const entry: Done = {
      planned,
      node: member.name,
      life: planned.on === 'server' ? life : undefined,
      startedMs: ledgerClock(),
      endedMs: undefined,
    }
    this.done.push(entry)
    return entry
  }

  end(entry: Done, wasDone: boolean): void {
    entry.endedMs = ledgerClock()
    if (wasDone) return
    this.done.splice(this.done.indexOf(entry), 1)
    this.skipped.push(entry.planned)
  }

  /** The last fault that was done to this server and can end one. */
  causeOf(incarnation: string): Done | undefined {
    return this.done.findLast(
      ({ life, planned }) => planned.fault.mayEnd && life?.incarnation === incarnation,
    )
  }

  /** Whether something was done to the database then or since. */
  wasDatabaseAwaySince(sinceMs: number): boolean {
    return this.done.some(
      ({ planned, endedMs = Infinity }) => planned.on === 'database' && endedMs >= sinceMs,
    )
  }

  /** Writes what was done, for whoever looks for the reason of something. */
  async write(file: string): Promise<void> {
    const lines = this.done.map(
      ({ planned, node, life, startedMs, endedMs }) =>
        `${startedMs} ${endedMs} ${node} ${life?.incarnation ?? ''} ${planned.kind}: ${planned.fault.text}`,
    )
    await writeFile(file, `${lines.join('\n')}\n`)
  }

  /** How many of each kind were done. */
  countByKind(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { planned } of this.done)
      counts.set(planned.kind, (counts.get(planned.kind) ?? 0) + 1)
    return counts
  }

  /**
   * Servers that ended although no fault explains it.
   * @param canary knows when the machine had no time for its programs
   */
  findFalseDeaths(
    incarnations: readonly IncarnationRow[],
    lives: readonly Life[],
    canary: Pick<Canary, 'wasHeldUp'>,
  ): Evidence['falseDeaths'] {
    return incarnations.flatMap(({ id, node, state }) => {
      if (state !== 'lost') return []
      const life = lives.find(({ incarnation }) => incarnation === id)
      // One that is not in the lives has never got as far as to claim.
      if (!life) return []
      const endedMs = life.endedMs ?? ledgerClock()
      const cause = this.causeOf(id)
      const isExplained =
        cause !== undefined &&
        cause.startedMs <= endedMs &&
        (cause.endedMs ?? Infinity) + aftermathMs >= endedMs
      if (isExplained) return []
      const isStarved = canary.wasHeldUp(endedMs - deathTakesMs, endedMs)
      const why = `${life.fenced ?? 'killed'} (at ${endedMs})`
      return [{ node, incarnation: id, why, isStarved }]
    })
  }
}
