import { oneOf, wholeNumber } from '../../lib/base/option-readers.ts'
import type { Outcome } from '../../lib/base/record.ts'
import type { RequestState, RequestSummary } from '../../lib/db/status.ts'
import type { RequestFilter } from '../../lib/query.ts'
import { defineCommand, type Command } from '../define-command.ts'
import { exitCode } from '../exit-code.ts'
import { showMoment, showTook } from '../moment.ts'
import { databaseFlags } from '../option-flags.ts'
import { print, printJson, talk } from '../output.ts'
import { readFlag } from '../read-flag.ts'
import { formatTable, type Column } from '../table.ts'

const states: readonly RequestState[] = ['scheduled', 'queued', 'running', 'finished']
const outcomes: readonly Outcome[] = ['succeeded', 'failed', 'cancelled']

/** Lists requests, newest first. */
export const listCommand: Command = defineCommand({
  name: 'list',
  summary: 'List requests, newest first',
  flags: {
    process: { type: 'string', requiresArg: true, describe: 'Only of this process.' },
    state: { type: 'string', requiresArg: true, describe: `Only these: ${states.join(', ')}.` },
    outcome: { type: 'string', requiresArg: true, describe: `Only these: ${outcomes.join(', ')}.` },
    node: { type: 'string', requiresArg: true, describe: 'Only those that this server claimed.' },
    limit: {
      type: 'string',
      requiresArg: true,
      describe: 'How many at the most, up to 1000.',
      defaultDescription: '50',
    },
    before: {
      type: 'string',
      requiresArg: true,
      describe: 'Only those older than this id: the next page.',
    },
    json: { type: 'boolean', describe: 'Print a JSON array.' },
    ...databaseFlags,
  },
  async run(given) {
    const filter: RequestFilter = withoutUndefined({
      process: given.process,
      state: readFlag('--state', oneOf(states), given.state),
      outcome: readFlag('--outcome', oneOf(outcomes), given.outcome),
      node: given.node,
      limit: readFlag('--limit', wholeNumber(1, 1000), given.limit),
      before: given.before,
    })
    const { withCluster } = await import('../with-cluster.ts')
    const requests = await withCluster(given, cluster => cluster.list(filter))
    if (given.json) await printJson(requests)
    else if (requests.length > 0) await print(await formatTable(columns, requests))
    else talk('There are no such requests.')
    return exitCode.ok
  },
})

const columns: readonly Column<RequestSummary>[] = [
  { title: 'ID', align: 'right', show: request => request.id },
  { title: 'PROCESS', show: processOf },
  { title: 'STATE', show: request => request.outcome ?? request.state },
  { title: 'REASON', show: request => request.reason },
  { title: 'NODE', show: request => request.node },
  { title: 'ENQUEUED', show: request => showMoment(request.enqueuedAt) },
  {
    title: 'TOOK',
    align: 'right',
    show: request => showTook(request.startedAt, request.finishedAt),
  },
]

function processOf({ process, compensates }: RequestSummary): string {
  return compensates === null ? process : `${process} (undoes ${compensates})`
}

type Defined<Values> = { [Key in keyof Values]?: Exclude<Values[Key], undefined> }

function withoutUndefined<Values extends object>(values: Values): Defined<Values> {
  const defined = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(defined) as Defined<Values>
}
