import { heldLocks } from './locks.ts'
import type { Tables } from './tables.ts'

/** Another incarnation that should be alive. */
export interface OtherIncarnation {
  readonly id: string
  readonly node: string
  /** Changes with each of its pulses; null when no session proves it. */
  readonly beat: string | null
  /** How many sessions have proved it so far. */
  readonly sessions: number
  /** How long its silence must last before it may be declared lost. */
  readonly lostAfterMs: number
  /** How long it may go on without proof while the database is away. */
  readonly outageGraceMs: number
}

/** What the database tells of the others: columns, because rows as JSON cost it several times as much. Null for none. */
export interface OthersSeen {
  readonly alive: Columns<[id: number, string, number, number, number]>
  /** The locks that prove them, of all sessions: whether it is a beat, its number, and the session. */
  readonly locks: Columns<[isBeat: boolean, number, pid: number]>
}

type Columns<Row extends unknown[]> = {
  readonly [Index in keyof Row]: readonly Row[Index][] | null
}

/**
 * An SQL expression: all incarnations that should be alive but for this one, and the locks that prove them. Which belongs to
 * which is found out by `joinOthers`: every server asks this every second, and PostgreSQL, which does not know how many
 * locks there are, would compare each incarnation with each lock.
 */
export function othersOf(t: Tables, incarnation: string): string {
  return `json_build_object(
          'alive', (
            select json_build_array(array_agg(i.id), array_agg(i.node), array_agg(coalesce(w.sessions, 0)),
              array_agg(i.lost_after_ms), array_agg(i.outage_grace_ms))
            from ${t.incarnation} as i left join ${t.witness} as w on w.incarnation = i.id
            where i.state = 'alive' and i.id <> ${incarnation}
          ),
          'locks', (
            select json_build_array(array_agg(kind = 'witness'), array_agg(number), array_agg(pid))
            from (${heldLocks(t, ['incarnation', 'witness'])}) as held
          ))`
}

/** The beat of an incarnation is that of the session which holds the incarnation's lock. */
export function joinOthers({ alive, locks }: OthersSeen): OtherIncarnation[] {
  const [ids, nodes, sessions, lostAfterMs, outageGraceMs] = alive
  const beatOf = readBeats(locks)
  return (ids ?? []).map((id, index) => ({
    id: String(id),
    node: nodes?.[index] ?? '',
    beat: beatOf.get(id) ?? null,
    sessions: sessions?.[index] ?? 0,
    lostAfterMs: lostAfterMs?.[index] ?? 0,
    outageGraceMs: outageGraceMs?.[index] ?? 0,
  }))
}

/** By the incarnation. A session that has no beat yet proves it all the same. */
function readBeats([areBeats, numbers, pids]: OthersSeen['locks']): Map<number, string> {
  const pidOf = new Map<number, number>()
  const beatsOf = new Map<number, number[]>()
  for (const [index, number] of (numbers ?? []).entries()) {
    const pid = pids?.[index] ?? 0
    if (!areBeats?.[index]) pidOf.set(number, pid)
    else beatsOf.set(pid, [...(beatsOf.get(pid) ?? []), number])
  }
  return new Map([...pidOf].map(([id, pid]) => [id, show(beatsOf.get(pid) ?? [])]))
}

function show(beats: readonly number[]): string {
  return beats.toSorted((a, b) => a - b).join(' ')
}
