import { command, defineProcess, type Process } from 'cluster-worker'
import { loadDefinitions } from '../../lib/config/load-definitions.ts'

/**
 * A step that writes into a file which server begins which request. The database cannot show a second
 * start of a request, because there it is one row; this file can.
 */
const noteStart = command('note start', {
  shell: 'echo "$CLUSTER_REQUEST_ID $CLUSTER_NODE" >> "$DEMO_LEDGER"',
})

/** The example processes, each with that step before its own. */
const { processes: examples } = await loadDefinitions(['../processes'], import.meta.dirname)
const [deploy, hello, nightlyReport] = examples.map(withNote)

function withNote({ name, input, steps, onFailure }: Process): Process {
  return defineProcess({ name, ...(input && { input }), steps: [noteStart, ...steps], onFailure })
}

export { deploy, hello, nightlyReport }
