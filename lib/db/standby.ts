import type { Database, Queryable } from './database.ts'
import { issueOrder, lockNode } from './lock-node.ts'
import { tryLockInTransaction } from './locks.ts'
import { writeHistory } from './node-history.ts'
import type { Tables } from './tables.ts'

/** What a standby has to do now: claim, because nobody else does, or leave it to an active server again. */
export type Duty = 'take-over' | 'hand-back'

const why = 'it claims when no other server does'

/**
 * Lets a standby take over or hand back, when that is its duty at this moment.
 *
 * Who else may touch these rows at the same time:
 * - orders to the node, and the beginning and the end of its incarnations: all lock the node's row first
 * - claims in its name, and declareLost: the incarnation's row is locked next, so they come before or after
 * - other standbys: one at a time takes over, under a lock that is tried; the next one sees that it claims
 * - an active server that begins, is resumed or is suspended meanwhile: nothing keeps it. Then two servers claim, or
 *   none, until the next pulse of the standby
 *
 * @returns what it did; undefined when there was nothing to do, or another standby is about to do it
 * @throws SQLSTATE 55P03 when the rows stay locked; nothing has changed then
 */
export async function doDuty(
  db: Database,
  { node, incarnation }: { node: string; incarnation: string },
): Promise<Duty | undefined> {
  const { t } = db
  return db.transaction(async client => {
    await lockNode(client, t, node)
    await client.query({
      text: `select from ${t.incarnation} where id = $1 for no key update`,
      values: [incarnation],
    })
    if (!(await tryLockInTransaction(client, t, 'suspension', '0'))) return undefined
    // A statement of its own, so that it sees who took over before us.
    const { rows } = await client.query<{ duty: Duty | null }>({
      text: `select ${dutyOf(t, '$1')} as duty`,
      values: [incarnation],
    })
    const duty = rows[0]?.duty
    if (duty === 'take-over') await takeOver(client, t, node, incarnation)
    else if (duty === 'hand-back') await standBy(client, t, node)
    else return undefined
    await issueOrder(db, client, node)
    return duty
  })
}

async function takeOver(
  client: Queryable,
  t: Tables,
  node: string,
  incarnation: string,
): Promise<void> {
  await client.query({
    text: `
      update ${t.suspension} set cleared_at = clock_timestamp(), cleared_by = $1
      where node = $1 and kind = 'standby' and cleared_at is null`,
    values: [node],
  })
  const reason = 'no other server claims'
  await writeHistory(client, t, { node, incarnation, state: 'took-over', reason, who: node })
}

/**
 * Lets a standby that has taken over wait for its turn again; changes nothing for any other node. To be called with
 * the node's row locked, and before `issueOrder`.
 */
export async function standBy(client: Queryable, t: Tables, node: string): Promise<void> {
  const { rows } = await client.query<{ incarnation: string }>({
    text: `
      with standing as (
        insert into ${t.suspension} (node, kind, who, reason)
        select i.node, 'standby', i.node, $2 from ${t.incarnation} as i
        where i.node = $1 and i.state = 'alive' and i.role = 'standby'
        on conflict (node, kind, who, reason) where cleared_at is null do nothing
        returning node
      )
      select i.id as incarnation from ${t.incarnation} as i join standing using (node) where i.state = 'alive'`,
    values: [node, why],
  })
  const incarnation = rows[0]?.incarnation
  if (incarnation !== undefined)
    await writeHistory(client, t, { node, incarnation, state: 'handed-back', who: node })
}

/**
 * Lets a node that begins a new incarnation wait for its turn when it is a standby; one that was a standby in an
 * earlier life does not wait any more. To be called with the node's row locked.
 */
export async function beginRole(
  client: Queryable,
  t: Tables,
  node: string,
  role: 'active' | 'standby',
): Promise<void> {
  await client.query(
    role === 'standby'
      ? {
          text: `
            insert into ${t.suspension} (node, kind, who, reason) values ($1, 'standby', $1, $2)
            on conflict (node, kind, who, reason) where cleared_at is null do nothing`,
          values: [node, why],
        }
      : {
          text: `
            update ${t.suspension} set cleared_at = clock_timestamp(), cleared_by = $1
            where node = $1 and kind = 'standby' and cleared_at is null`,
          values: [node],
        },
  )
}

/**
 * An SQL expression: what the incarnation of this id has to do as a standby; null for nothing. One that should be alive
 * and may claim counts as one that claims, also while it is silent, until it is declared lost.
 */
export function dutyOf(t: Tables, incarnation: string): string {
  const reasons = `${t.suspension} as s where s.node = me.node and s.cleared_at is null`
  const others = `${t.incarnation} as i where i.state = 'alive' and i.accepting and i.id <> me.id`
  return `(
    select case
      when exists (select from ${reasons} and s.kind = 'standby') then
        case when not exists (select from ${others})
          and not exists (select from ${reasons} and s.kind <> 'standby') then 'take-over' end
      when me.hand_back = 'automatic' and exists (select from ${others} and i.role = 'active') then 'hand-back'
    end
    from ${t.incarnation} as me
    where me.id = ${incarnation} and me.state = 'alive' and me.role = 'standby')`
}

/** Who there is to claim, seen from the whole cluster. */
export interface Crew {
  /** Whether any server may claim. */
  readonly isClaiming: boolean
  /** Whether there are standbys that were not retired, but none of them is alive. */
  readonly isStandbyMissing: boolean
}

/** An SQL expression: the cluster's crew as JSON. Cheap enough for each pulse: it stops at the first row of a kind. */
export function crewOf(t: Tables): string {
  return `(
    select json_build_object(
      'isClaiming', exists (select from ${t.incarnation} where state = 'alive' and accepting),
      'isStandbyMissing', case
        when exists (select from ${t.incarnation} where state = 'alive' and role = 'standby') then false
        else exists (
          select from ${t.incarnation} as s join ${t.node} as n on n.id = s.node
          where s.role = 'standby' and n.retired_at is null and not exists (
            select from ${t.incarnation} as later where later.node = s.node and later.id > s.id)) end))`
}
