import { monotonic } from '../base/clock.ts'
import { claim, readBackClaim, type Claimed } from '../db/claim.ts'
import type { Database } from '../db/database.ts'
import { vacuumRooms } from '../db/vacuum.ts'
import type { Runner } from '../run/runner.ts'
import { hasCommands, type Process } from '../step/define-process.ts'
import { Claimer } from './claimer.ts'
import { RoomVacuum } from './room-vacuum.ts'

export interface OpenClaimerOptions {
  readonly db: Database
  readonly incarnation: string
  /** The processes that the server knows, by their lanes. */
  readonly processes: ReadonlyMap<number, Process>
  readonly retryMs: number
  readonly runner: Runner
  /** Resolves when the guardians know of these requests. */
  readonly cover: (ids: readonly string[]) => Promise<void>
  readonly onClaimed: (claimed: readonly Claimed[]) => void
  readonly onError: (error: unknown, name: string) => void
}

/** The claimer of a server: what it claims is covered by the guardians before it starts. */
export function openClaimer(options: OpenClaimerOptions): Claimer {
  const { db, incarnation, processes, retryMs, runner, cover, onClaimed, onError } = options
  const lanes = [...processes.keys()]
  const processOf = (lane: number): Process => processes.get(lane) as Process

  async function covered(claimed: Claimed[]): Promise<Claimed[]> {
    const ids = claimed.filter(({ lane }) => hasCommands(processOf(lane))).map(({ id }) => id)
    if (ids.length > 0) await cover(ids)
    return claimed
  }

  const vacuum = new RoomVacuum({ clock: monotonic, vacuum: () => vacuumRooms(db), onError })

  return new Claimer({
    clock: monotonic,
    freeSlots: () => runner.freeSlots,
    async claim(limit, token, after) {
      const claimed = await covered(await claim(db, { incarnation, lanes, limit, token, after }))
      if (claimed.length > 0) onClaimed(claimed)
      vacuum.note(claimed.length)
      return claimed
    },
    readBack: async token => covered(await readBackClaim(db, incarnation, token)),
    start: (request, token) => runner.start(request, processOf(request.lane), token),
    retryMs,
  })
}
