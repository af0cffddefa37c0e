import type { Database } from './database.ts'
import { issueOrder, lockNode } from './lock-node.ts'
import { writeHistory } from './node-history.ts'
import { aliveIncarnation } from './suspensions.ts'

/**
 * Retires a node that does not run: a server that starts with its id is refused, and its suspensions are cleared.
 * Locks the node's row first, as the beginning of an incarnation does: one of them comes first.
 * @returns undefined when it is retired; the incarnation that is alive when it is not
 * @throws {ClusterError} CW_NODE_UNKNOWN
 */
export async function retireNode(
  db: Database,
  { node, who, reason = '' }: { node: string; who: string; reason?: string },
): Promise<string | undefined> {
  const { t } = db
  return db.transaction(async client => {
    const { retiredAt } = await lockNode(client, t, node)
    const incarnation = await aliveIncarnation(client, t, node)
    if (incarnation !== undefined || retiredAt) return incarnation
    await client.query({
      text: `update ${t.node} set retired_at = clock_timestamp(), retired_by = $2, instance = null where id = $1`,
      values: [node, who],
    })
    await client.query({
      text: `
        update ${t.suspension} set cleared_at = clock_timestamp(), cleared_by = $2
        where node = $1 and cleared_at is null`,
      values: [node, who],
    })
    await writeHistory(client, t, { node, state: 'retired', reason, who })
    await issueOrder(db, client, node)
    return undefined
  })
}
