import type { Client } from 'pg'
import { ledgerClock } from './ledger.ts'

/** An incarnation that kept running rows for so long without proof of its life. */
export interface Overdue {
  readonly incarnation: string
  readonly forMs: number
}

export interface OverdueOptions {
  /** How long the others may take, in milliseconds. */
  readonly overdueMs: number
  /** How much longer, after the database came back. */
  readonly outageGraceMs: number
}

/** Looks for running rows whose server is gone, and that nobody fails although somebody could. */
export class OverdueWatch {
  readonly found: Overdue[] = []
  readonly #options: OverdueOptions
  /** When the database came back, or was first seen. */
  #eraSince = ledgerClock()
  #silentSince = new Map<string, number>()
  #provenSince = new Map<string, number>()

  constructor(options: OverdueOptions) {
    this.#options = options
  }

  /** Nobody can do anything while the database is away; and the others, too, begin to wait anew. */
  forget(): void {
    this.#eraSince = ledgerClock()
    this.#silentSince.clear()
    this.#provenSince.clear()
  }

  async look(client: Client): Promise<void> {
    const { rows } = await client.query<{ id: string; proven: boolean }>(`
      with owners as (
        select id, exists (
          select from pg_locks as held
          where held.locktype = 'advisory' and held.granted
            and held.database = (select oid from pg_database where datname = current_database())
            and held.classid = 'cluster_worker.incarnation'::regclass and held.objid::bigint = i.id
        ) as proven
        from cluster_worker.incarnation as i where state = 'alive'
      )
      select id::text, proven from owners
      where proven or exists (select from cluster_worker.running where incarnation = owners.id)`)
    const { overdueMs, outageGraceMs } = this.#options
    const now = ledgerClock()
    const idsOf = (isProven: boolean): string[] =>
      rows.filter(({ proven }) => proven === isProven).map(({ id }) => id)
    this.#provenSince = keepFirst(this.#provenSince, idsOf(true), now)
    this.#silentSince = keepFirst(this.#silentSince, idsOf(false), now)
    // One that just came has not seen the silence for long enough.
    const watchedSince = Math.min(Infinity, ...this.#provenSince.values())
    for (const [incarnation, since] of this.#silentSince) {
      const forMs = now - Math.max(since, watchedSince)
      // Servers that have come since do not know who was seen alive in the database's new life.
      const isGraceOver = now - this.#eraSince > outageGraceMs + overdueMs
      if (forMs > overdueMs && isGraceOver) this.found.push({ incarnation, forMs })
    }
  }
}

function keepFirst(
  before: ReadonlyMap<string, number>,
  ids: readonly string[],
  now: number,
): Map<string, number> {
  return new Map(ids.map(id => [id, before.get(id) ?? now]))
}
