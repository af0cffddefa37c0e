import type { Cluster } from '../cluster.ts'
import type { NodeStatus } from '../db/nodes.ts'
import type { RequestRecord } from '../db/status.ts'

/** How much of a request's output is shown, in characters from its end. */
const longestOutput = 500

/** All that helps to see why a request is where it is. */
export async function describeRequest(cluster: Cluster, request: RequestRecord): Promise<string> {
  const steps = request.steps.map(({ name, phase, state, error }) => {
    const what = phase === 'step' ? name : `${phase} ${name}`
    return `  ${what}: ${state}${error ? ` (${error.message})` : ''}`
  })
  const output = await readOutput(cluster, request.id)
  return [
    describeState(request),
    ...(steps.length > 0 ? ['steps:', ...steps] : ['no step has been recorded']),
    ...(output === '' ? [] : ['the end of its output:', output]),
  ].join('\n')
}

/** Each server that ever was, with what it does. */
export function describeNodes(nodes: readonly NodeStatus[]): string {
  const texts = nodes.map(({ node, state, running }) => `${node} is ${state} and runs ${running}`)
  return texts.length > 0 ? texts.join('; ') : 'none has ever started'
}

function describeState({ state, outcome, reason, error, node, runAt }: RequestRecord): string {
  const why = `${reason ? ` with the reason ${reason}` : ''}${error ? `: ${error.message}` : ''}`
  return {
    scheduled: `it is scheduled for ${runAt?.toISOString()}`,
    queued: 'it waits in the queue for a server that knows its process and has a free slot',
    running: `it is running on the server ${node}`,
    finished: outcome === 'failed' ? `it has failed${why}` : `it has ended, ${outcome}`,
  }[state]
}

async function readOutput(cluster: Cluster, id: string): Promise<string> {
  let output = ''
  for await (const { text } of cluster.logs(id)) output = (output + text).slice(-longestOutput)
  return output.trimEnd()
}
