import { styleText } from 'node:util'
import type { RequestRecord, StepStatus, StoredError, TakenVersion } from '../lib/db/status.ts'
import { showMoment, showTook } from './moment.ts'
import { toJson } from './output.ts'
import { printable, printableLine } from './printable.ts'
import { formatTable, type Column } from './table.ts'

/** A request for people: what is known about it, and a line for each step. */
export async function describeRequest(record: RequestRecord): Promise<string> {
  const title = `Request ${record.id}: ${printableLine(record.process)} ${outcomeOf(record)}`
  const facts: readonly (readonly [string, string])[] = [
    ['node', record.node === null ? '' : `${record.node}, incarnation ${record.incarnation}`],
    ['compensates', record.compensates === null ? '' : `request ${record.compensates}`],
    ['undone by', record.compensatedBy === null ? '' : `request ${record.compensatedBy}`],
    ['priority', String(record.priority)],
    ['key', record.idempotencyKey ?? ''],
    ['enqueued', showMoment(record.enqueuedAt)],
    ['not before', showMoment(record.runAt)],
    ['started', showMoment(record.startedAt)],
    ['finished', showMoment(record.finishedAt)],
    ['took', showTook(record.startedAt, record.finishedAt)],
    ['input', toJson(record.input, 0)],
    ['versions', record.versions.map(showVersion).join(', ')],
    ['result', record.result === null ? '' : toJson(record.result, 0)],
    ['error', showError(record.error)],
  ]
  const lines = facts
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `  ${name.padEnd(11)}  ${printable(value)}`)
  const steps = record.steps.length > 0 ? ['', await formatTable(stepColumns, record.steps)] : []
  return [styleText('bold', title), ...lines, ...steps].join('\n')
}

/** What became of a request, in a few words: `failed (server_lost)`. */
export function outcomeOf(record: Pick<RequestRecord, 'state' | 'outcome' | 'reason'>): string {
  const { state, outcome, reason } = record
  return reason === null ? (outcome ?? state) : `${outcome ?? state} (${reason})`
}

function showVersion({ component, version, asked }: TakenVersion): string {
  return `${component} ${version}${asked === version ? '' : ` (${asked})`}`
}

function showError(error: StoredError | null): string {
  return error ? `${error.message} [${error.code}]` : ''
}

const phaseTitles: Partial<Record<string, string>> = { undo: 'undo ', on_failure: 'on failure ' }

const stepColumns: readonly Column<StepStatus>[] = [
  { title: 'STEP', show: step => (phaseTitles[step.phase] ?? '') + step.name },
  { title: 'KIND', show: step => step.kind },
  { title: 'STATE', show: step => step.state },
  { title: 'EXIT', align: 'right', show: step => step.exitCode },
  { title: 'TOOK', align: 'right', show: step => showTook(step.startedAt, step.finishedAt) },
  { title: 'ERROR', show: step => step.error?.message.split('\n')[0] ?? null },
]
