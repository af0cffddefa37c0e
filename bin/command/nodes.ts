import type { NodeStatus } from '../../lib/db/nodes.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { showMoment } from '../moment.ts'
import { databaseFlags } from '../option-flags.ts'
import { print, printJson, talk } from '../output.ts'
import { formatTable, type Column } from '../table.ts'

/** Shows the servers, or all about one of them. */
export const nodesCommand: Command = defineCommand({
  name: 'nodes',
  summary: 'Show the servers, what each runs and ran, and why it does not; or all about one',
  optionals: { node: 'The node id of one server.' },
  flags: {
    all: { type: 'boolean', describe: 'Show the retired ones, too.' },
    json: { type: 'boolean', describe: 'Print a JSON array; for one server, an object.' },
    ...databaseFlags,
  },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const { nobodyActive, showReason } = await import('../give-order.ts')
    const { node } = given
    if (typeof node === 'string') {
      const record = await withCluster(given, cluster => cluster.node(node))
      const { describeNode } = await import('../describe-node.ts')
      await (given.json ? printJson(record) : print(await describeNode(record)))
      return exitCode.ok
    }
    const everyone = await withCluster(given, cluster => cluster.nodes())
    const nodes = everyone.filter(({ state }) => given.all === true || state !== 'retired')
    if (given.json) await printJson(nodes)
    else if (nodes.length > 0)
      await print(await formatTable([...columns, reasonColumn(showReason)], nodes))
    else talk('No server has joined yet. Start one with cluster-worker start')
    if (nodes.length > 0 && nodes.every(({ state }) => state !== 'active')) talk(nobodyActive)
    return exitCode.ok
  },
})

const columns: readonly Column<NodeStatus>[] = [
  { title: 'NODE', show: node => node.node },
  { title: 'ROLE', show: node => node.role },
  { title: 'STATE', show: node => node.state },
  { title: 'SINCE', show: node => showMoment(node.since) },
  { title: 'RUNNING', align: 'right', show: node => `${node.running}/${node.concurrency}` },
  { title: 'CLAIMED', align: 'right', show: node => node.claimed },
  { title: 'SUCCEEDED', align: 'right', show: node => node.succeeded },
  { title: 'FAILED', align: 'right', show: node => node.failed },
  { title: 'CANCELLED', align: 'right', show: node => node.cancelled },
  { title: 'HOST', show: node => node.host },
  { title: 'PID', align: 'right', show: node => node.pid },
  { title: 'VERSION', show: node => node.version },
]

function reasonColumn(
  showReason: (reason: NodeStatus['reasons'][number]) => string,
): Column<NodeStatus> {
  return { title: 'WHY', show: ({ reasons }) => reasons.map(showReason).join('; ') }
}
