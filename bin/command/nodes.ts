import type { NodeStatus } from '../../lib/db/nodes.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { showMoment } from '../moment.ts'
import { databaseFlags } from '../option-flags.ts'
import { print, printJson, talk } from '../output.ts'
import { formatTable, type Column } from '../table.ts'

/** Shows every server that ever joined. */
export const nodesCommand: Command = defineCommand({
  name: 'nodes',
  summary: 'Show the servers, and what each runs and ran',
  flags: {
    json: { type: 'boolean', describe: 'Print a JSON array.' },
    ...databaseFlags,
  },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const nodes = await withCluster(given, cluster => cluster.nodes())
    if (given.json) await printJson(nodes)
    else if (nodes.length > 0) await print(await formatTable(columns, nodes))
    else talk('No server has joined yet. Start one with cluster-worker start')
    return exitCode.ok
  },
})

const columns: readonly Column<NodeStatus>[] = [
  { title: 'NODE', show: node => node.node },
  { title: 'STATE', show: node => node.state },
  { title: 'RUNNING', align: 'right', show: node => `${node.running}/${node.concurrency}` },
  { title: 'CLAIMED', align: 'right', show: node => node.claimed },
  { title: 'SUCCEEDED', align: 'right', show: node => node.succeeded },
  { title: 'FAILED', align: 'right', show: node => node.failed },
  { title: 'CANCELLED', align: 'right', show: node => node.cancelled },
  { title: 'HOST', show: node => node.host },
  { title: 'PID', align: 'right', show: node => node.pid },
  { title: 'VERSION', show: node => node.version },
  { title: 'STARTED', show: node => showMoment(node.startedAt) },
  { title: 'ENDED', show: node => showMoment(node.endedAt) },
]
