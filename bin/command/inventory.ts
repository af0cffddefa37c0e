import type { InventoryLine } from '../../lib/db/component/inventory.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { showMoment } from '../moment.ts'
import { databaseFlags } from '../option-flags.ts'
import { print, printJson, talk } from '../output.ts'
import { formatTable, type Column } from '../table.ts'

/** Shows which version is where. */
export const inventoryCommand: Command = defineCommand({
  name: 'inventory',
  summary: 'Show which version was put where, by which request',
  optionals: { target: 'Only what is on this target.' },
  flags: {
    component: { type: 'string', requiresArg: true, describe: 'Only this component.' },
    history: { type: 'boolean', describe: 'What was there before, too; the newest first.' },
    json: { type: 'boolean', describe: 'Print a JSON array.' },
    ...databaseFlags,
  },
  async run(given) {
    const { withCluster } = await import('../with-cluster.ts')
    const { target } = given
    const lines = await withCluster(given, ({ components }) =>
      components.inventory({
        ...(typeof target === 'string' && { target }),
        ...(given.component !== undefined && { component: given.component }),
        history: given.history === true,
      }),
    )
    if (given.json) await printJson(lines)
    else if (lines.length > 0) await print(await formatTable(columns, lines))
    else talk('Nothing is recorded. Processes record it with deployed()')
    return exitCode.ok
  },
})

const columns: readonly Column<InventoryLine>[] = [
  { title: 'TARGET', show: line => line.target },
  { title: 'COMPONENT', show: line => line.component },
  { title: 'VERSION', show: line => line.version },
  { title: 'BEFORE', show: line => line.previous },
  { title: 'SINCE', show: line => showMoment(line.at) },
  { title: 'REQUEST', show: line => line.requestId },
  { title: 'UNDONE', show: line => showMoment(line.undoneAt) },
]
