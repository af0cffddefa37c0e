import { duration } from '../lib/base/option-readers.ts'
import type { Cluster } from '../lib/cluster.ts'
import type { SuspensionReason } from '../lib/db/nodes.ts'
import type { OrderAnswer, ResumeAnswer } from '../lib/node-orders.ts'
import type { FlagValues } from './define-command.ts'
import { exitCode, type ExitCode } from './exit-code.ts'
import { showMoment } from './moment.ts'
import { print, printJson, talk } from './output.ts'
import { readFlag } from './read-flag.ts'
import { withCluster } from './with-cluster.ts'

type OrderName = 'suspend' | 'resume' | 'drain' | 'retire'

/**
 * Gives a server an order, waits for its answer, and says what became of it.
 * @returns 1 when somebody took the order back meanwhile
 */
export async function giveOrder(
  given: FlagValues,
  order: OrderName,
  give: (cluster: Cluster, node: string) => Promise<OrderAnswer | ResumeAnswer>,
): Promise<ExitCode> {
  const node = String(given['node'])
  const { answered, isNobodyActive } = await withCluster(given, async cluster => ({
    answered: await give(cluster, node),
    isNobodyActive: (await cluster.nodes()).every(({ state }) => state !== 'active'),
  }))
  const details = typeof answered === 'string' ? { answer: answered } : answered
  if (given['json']) await printJson({ node, order, ...details })
  else await print(sentenceOf(order, node, details))
  if (isNobodyActive) talk(nobodyActive)
  return details.answer === 'revoked' ? exitCode.failed : exitCode.ok
}

/** What every operator must know when it is so. */
export const nobodyActive = 'No server is active: requests wait until one is resumed or started.'

/** The settings that the flags of an order give. */
export function settingsOf(given: FlagValues): { timeout?: number; reason?: string } {
  const { timeout, reason } = given
  const timeoutMs = readFlag('--timeout', duration('1ms', '24d'), asText(timeout))
  return {
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
    ...(typeof reason === 'string' && { reason }),
  }
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A reason in a few words: `operator ada@desk: new disk`. */
export function showReason({ kind, who, reason, until }: SuspensionReason): string {
  const by = kind === 'operator' || kind === 'drain' ? ` by ${who}` : ''
  const why = reason === '' ? '' : `: ${reason}`
  return `${kind}${by}${why}${until ? ` (until ${showMoment(until)})` : ''}`
}

function sentenceOf(
  order: OrderName,
  node: string,
  { answer, remaining = [] }: Pick<ResumeAnswer, 'answer'> & Partial<ResumeAnswer>,
): string {
  if (answer === 'revoked') return `Somebody resumed ${node} meanwhile.`
  if (order === 'resume') {
    if (remaining.length > 0 && remaining.every(({ kind }) => kind === 'standby'))
      return `${node} is a standby: it claims when no other server does. resume --all lets it claim now.`
    const still = remaining.map(reason => `\n  ${showReason(reason)}`).join('')
    if (still !== '') return `${node} is still suspended:${still}`
    return answer === 'gone'
      ? `${node} does not run; it will claim requests when it starts.`
      : `${node} claims requests.`
  }
  if (answer === 'gone')
    return order === 'suspend'
      ? `${node} does not run; it will be suspended when it starts.`
      : `${node} does not run.`
  return sentences[answer](node)
}

const sentences: Record<Exclude<OrderAnswer, 'gone' | 'revoked'>, (node: string) => string> = {
  acknowledged: node => `${node} is suspended: it starts nothing until it is resumed.`,
  drained: node =>
    `${node} has drained: nothing runs on it, and it starts nothing until it is resumed.`,
  left: node => `${node} has drained and left.`,
  retired: node => `${node} is retired: a server with this id is refused until it is resumed.`,
}
